// Strict UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). Stateless, allocation-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::base {

// Bytes that a character starting with `lead` should have; 0 when no character starts so.
inline size_t utf8_expected_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

// Whether `second` may follow `lead` (>= 0xc2): rules out overlong forms, surrogates and values above U+10FFFF.
inline bool utf8_second_ok(unsigned char lead, unsigned char second) {
  if (lead == 0xe0) return second >= 0xa0 && second <= 0xbf;
  if (lead == 0xed) return second >= 0x80 && second <= 0x9f;
  if (lead == 0xf0) return second >= 0x90 && second <= 0xbf;
  if (lead == 0xf4) return second >= 0x80 && second <= 0x8f;
  return (second & 0xc0) == 0x80;
}

// Length of the longest prefix of s[i..] that is a character or the beginning of one; `complete` says which. 0 when
// s[i] cannot start a character. Precondition: i < s.size().
inline size_t utf8_prefix(std::string_view s, size_t i, bool* complete) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(s[k]); };
  const size_t want = utf8_expected_length(byte(i));
  size_t have = want == 0 ? 0 : 1;
  while (have < want && i + have < s.size()) {
    const bool ok = have == 1 ? utf8_second_ok(byte(i), byte(i + 1)) : (byte(i + have) & 0xc0) == 0x80;
    if (!ok) break;
    ++have;
  }
  *complete = have == want && want != 0;
  return have;
}

// Length of the valid character at s[i], 0 when there is none. Precondition: i < s.size().
inline size_t utf8_char_length(std::string_view s, size_t i) {
  if (static_cast<unsigned char>(s[i]) < 0x80) return 1;
  bool complete = false;
  const size_t length = utf8_prefix(s, i, &complete);
  return complete ? length : 0;
}

// End of the run of valid characters that starts at i (i itself when s[i] is invalid).
inline size_t utf8_valid_until(std::string_view s, size_t i) {
  while (i < s.size()) {
    const size_t length = utf8_char_length(s, i);
    if (length == 0) break;
    i += length;
  }
  return i;
}

inline bool utf8_valid(std::string_view s) { return utf8_valid_until(s, 0) == s.size(); }

// Code point of the valid character of `length` bytes at s[i].
inline uint32_t utf8_code_point(std::string_view s, size_t i, size_t length) {
  const auto lead = static_cast<unsigned char>(s[i]);
  if (length == 1) return lead;
  uint32_t cp = lead & (0xffu >> (length + 1));
  for (size_t k = 1; k < length; ++k) cp = (cp << 6) | (static_cast<unsigned char>(s[i + k]) & 0x3fu);
  return cp;
}

}  // namespace kedge::base
