// Classes of bytes, without a locale: UTF-8 text is ASCII plus bytes from 0x80 on, which are letters to everything
// here.
#pragma once

#include <cstddef>
#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::memory::anchors {

constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_high(char c) { return (static_cast<unsigned char>(c) & 0x80U) != 0; }
constexpr bool is_alpha(char c) { return is_upper(c) || is_lower(c); }
constexpr bool is_alnum(char c) { return is_alpha(c) || is_digit(c); }
constexpr bool is_word(char c) { return is_alnum(c) || c == '_' || is_high(c); }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
constexpr bool is_space(char c) { return is_blank(c) || (c >= '\n' && c <= '\r'); }
constexpr bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
constexpr char to_lower(char c) { return is_upper(c) ? static_cast<char>(c + ('a' - 'A')) : c; }

// The byte at i, NUL behind the end: text that may end anywhere is read without a check at every step.
constexpr char at(std::string_view s, size_t i) { return i < s.size() ? s[i] : '\0'; }

constexpr bool has_at(std::string_view s, size_t i, std::string_view what) {
  return i <= s.size() && s.substr(i, what.size()) == what;
}

// The character before i is a letter, a digit or '_'; quotation marks and dashes beyond ASCII are none.
constexpr bool word_before(std::string_view s, size_t i) {
  if (i == 0 || !is_high(s[i - 1])) return i > 0 && is_word(s[i - 1]);
  const bool latin = i >= 2 && s[i - 2] == '\xc2';    // U+00AB, U+00BB, U+00A7
  const bool general = i >= 3 && s[i - 3] == '\xe2';  // U+2013, U+201C
  return !latin && !general;
}

// The word (is_word) that ends before `end`: its first byte.
constexpr size_t word_begin(std::string_view s, size_t end) {
  while (end > 0 && is_word(s[end - 1])) --end;
  return end;
}
// The word that begins at i: one behind its last byte.
constexpr size_t word_end(std::string_view s, size_t i) {
  while (i < s.size() && is_word(s[i])) ++i;
  return i;
}
constexpr size_t digits_end(std::string_view s, size_t i) {
  while (i < s.size() && is_digit(s[i])) ++i;
  return i;
}
constexpr size_t skip_blanks(std::string_view s, size_t i) {
  while (i < s.size() && is_blank(s[i])) ++i;
  return i;
}

template <size_t N>
constexpr bool is_one_of(std::string_view word, const std::string_view (&list)[N]) {
  for (const std::string_view w : list) {
    if (w == word) return true;
  }
  return false;
}

// "1982": the four digits at i are a year of print and no fifth follows.
constexpr bool is_year(std::string_view s, size_t i) {
  if (digits_end(s, i) != i + 4) return false;
  return s.substr(i, 2) == "20" || (s[i] == '1' && s[i + 1] >= '5');
}

// A month or day, in full or cut short: what stands before a year without being a name.
constexpr bool is_month_or_day(std::string_view word) {
  constexpr std::string_view kNames[] = {"January",  "February", "March",    "April",     "May",
                                         "June",     "July",     "August",   "September", "October",
                                         "November", "December", "Monday",   "Tuesday",   "Wednesday",
                                         "Thursday", "Friday",   "Saturday", "Sunday"};
  for (const std::string_view name : kNames) {
    if (word == name || (word.size() >= 3 && word.size() <= 4 && name.substr(0, word.size()) == word)) return true;
  }
  return false;
}

}  // namespace kedge::memory::anchors
