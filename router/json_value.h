// JSON values compared as JSON means them, and shown in a message.
#pragma once

#include <string>
#include <string_view>

#include "kernels/base/json.h"

namespace kedge::router {

// One text for all values that are equal: members in any order, 1 and 1.0 and 1e0 the same number. Not JSON itself.
std::string comparison_key(const Json& value);
inline bool same_value(const Json& a, const Json& b) { return comparison_key(a) == comparison_key(b); }

// Exactly, on the shortest decimals that read back as these doubles: 19.99 is a multiple of 0.01. `divisor` > 0.
bool is_multiple(const Json& number, const Json& divisor);
// Without loss: every number that Json holds fits.
long double exact_number(const Json& number);
bool is_whole_number(const Json& value);  // 2 and 2.0

// For messages: the value, cut to about 80 bytes; "an array of 3", "an object of 2" for containers that are longer.
std::string short_text(const Json& value);
std::string quoted_start(std::string_view text);  // as a JSON string, "..." behind it when something is left out
const char* type_of(const Json& value);           // JSON Schema's names; "integer" only for numbers that are whole

// Characters (code points) of valid UTF-8.
size_t count_characters(std::string_view text);

// A JSON pointer (RFC 6901) to a member.
std::string pointer_token(std::string_view key);

}  // namespace kedge::router
