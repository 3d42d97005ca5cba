// Names that people type: of policies, samplers, checks, architectures, formats. '-' and '_' are the same in them.
#pragma once

#include <algorithm>
#include <string_view>

namespace kedge::base {

inline bool same_name(std::string_view a, std::string_view b) {
  constexpr auto kSame = [](char x, char y) { return (x == '-' ? '_' : x) == (y == '-' ? '_' : y); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), kSame);
}

}  // namespace kedge::base
