// Calls written as NAME and arguments in brackets, in Python's syntax or Gemma's.
#pragma once

#include <memory>
#include <string_view>

#include "engine/chat_read/call_parser.h"
#include "engine/chat_read/literal_reader.h"

namespace kedge::engine::chat_read {

struct LiteralCallForm {
  Dialect dialect = Dialect::kPython;
  std::string_view name_begin = {};  // before the name
  std::string_view name_end = {};    // a suffix of the name that is not part of it
  bool list = false;                 // [f(...), g(...)]; the brackets may be missing
  std::string_view end = {};         // what closes the calls; it may be missing
};
std::unique_ptr<CallParser> literal_calls(const LiteralCallForm& form);

}  // namespace kedge::engine::chat_read
