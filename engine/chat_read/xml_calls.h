// Calls written with a tag for the tool and one for each argument, whose values are plain text: the tools' schemas say
// of what type.
#pragma once

#include <memory>
#include <string_view>

#include "engine/chat_read/call_parser.h"

namespace kedge::engine::chat_read {

// White space between the parts is layout.
struct XmlCallForm {
  std::string_view name_begin = {};  // empty: the name stands behind the marker and ends at white space or '<'
  std::string_view name_end = {};
  std::string_view key_begin = {};
  std::string_view key_end = {};
  std::string_view value_begin = {};  // where it does not follow at once
  std::string_view value_end = {};
  std::string_view call_end = {};
  std::string_view section_end = {};  // may be missing; empty: a marker has one call
  bool value_lines = false;           // a line end at each end of the value is layout
  bool says_string = false;           // behind key_end stand true"> or false">: whether the value is a string
};
// `begun`: the marker was name_begin itself.
std::unique_ptr<CallParser> xml_calls(const XmlCallForm& form, const ChatReadOptions& options, bool begun = false);

}  // namespace kedge::engine::chat_read
