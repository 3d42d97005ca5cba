// Bytes and numbers as hexadecimal digits, lower case.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/base/result.h"

namespace kedge::base {

inline constexpr char kHexDigits[] = "0123456789abcdef";

std::string hex(std::string_view bytes);
std::string hex(uint64_t value);                   // 16 digits
Result<std::string> unhex(std::string_view text);  // kInvalidArgument; lower case only: one text for one value

}  // namespace kedge::base
