// One text for every JSON value: RFC 8785 (JSON Canonicalization Scheme). What is hashed has to be written one way
// only.
#pragma once

#include <string>
#include <string_view>

#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::router {

// Members sorted by their UTF-16 code units, numbers as ECMAScript writes them, no white space. Errors name the place
// as a JSON pointer: kInvalidArgument (a string or key that is not UTF-8, a number that is not finite, an integer
// beyond
// +-2^53: readers with doubles would see another one, bytes that are no JSON), kCapacity (deeper than parse_json
// reads).
Result<std::string> canonical_json(const Json& value);

// A finite double as ECMAScript's Number::toString writes it: the shortest digits that read back the same.
std::string ecmascript_number(double value);

// Whether `text` is UTF-8 as Unicode defines it: no surrogates, no overlong forms, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace kedge::router
