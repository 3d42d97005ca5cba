// Where a text may be cut so that no character is: for everything that shows or keeps the beginning of a text.
#pragma once

#include <cstddef>
#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::base {

// The last beginning of a character at or before byte n. Of bytes that are no UTF-8, n itself.
inline size_t utf8_floor(std::string_view s, size_t n) {
  if (n >= s.size()) return s.size();
  size_t at = n;
  while (at > 0 && n - at < 3 && (static_cast<unsigned char>(s[at]) & 0xC0) == 0x80) --at;
  return (static_cast<unsigned char>(s[at]) & 0xC0) == 0x80 ? n : at;
}

// At most n bytes of the beginning, whole characters.
inline std::string_view utf8_cut(std::string_view s, size_t n) { return s.substr(0, utf8_floor(s, n)); }

}  // namespace kedge::base
