// Calls written as a name and, behind it, the JSON object of the arguments.
#pragma once

#include <memory>
#include <string_view>

#include "engine/chat_read/call_parser.h"

namespace kedge::engine::chat_read {

// White space may stand between the parts. What closes something may be missing: the JSON says where it ends.
struct NamedCallForm {
  std::string_view call_begin = {};   // of each call in a section; empty: the marker has one call
  std::string_view name_prefix = {};  // before the name; it may be missing
  std::string_view id_begin = {};     // behind the name, of an id
  bool numbered = false;              // NAME:NUMBER, which with the prefix is the call's id
  std::string_view name_end = {};
  bool name_end_may_miss = false;  // where '{' follows the name
  std::string_view body_end = {};  // behind the JSON
  std::string_view call_end = {};
  std::string_view section_end = {};
};
std::unique_ptr<CallParser> named_calls(const NamedCallForm& form);

}  // namespace kedge::engine::chat_read
