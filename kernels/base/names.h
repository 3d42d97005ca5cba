// Names that people type: of policies, samplers, checks, architectures, formats. '-' and '_' are the same in them.
#pragma once

#include <algorithm>
#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::base {

constexpr char folded_in_name(char c) { return c == '-' ? '_' : c; }
constexpr char lower_in_name(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : folded_in_name(c);
}

inline bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return folded_in_name(x) == folded_in_name(y); });
}
inline bool same_name_any_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower_in_name(x) == lower_in_name(y); });
}

}  // namespace kedge::base
