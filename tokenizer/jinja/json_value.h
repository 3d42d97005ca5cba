// JSON text to values. Members keep their order; every string is marked as input.
#pragma once

#include <string_view>

#include "tokenizer/jinja/value.h"

namespace kedge::tokenizer::jinja {

// `what` names the text in errors; `origin` is that of all its strings. Numbers: integers of 64 bits, else double.
Result<Value> parse_json(Heap& heap, std::string_view json, std::string_view what, const TextOrigin& origin = {});

}  // namespace kedge::tokenizer::jinja
