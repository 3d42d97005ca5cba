// Reading JSON that comes from outside: kept shallow, and an error names the text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "kernels/base/result.h"

namespace kedge {

using Json = nlohmann::ordered_json;

// `name` is how errors call the text. Errors: kInvalidArgument, kCapacity (nested deeper than 64: the parser recurses
// when a value is destroyed).
Result<Json> parse_json(std::string_view text, const char* name);

}  // namespace kedge
