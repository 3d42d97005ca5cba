// Code points of UTF-8 text, as a template sees them. A byte that is not part of valid UTF-8 counts as one character
// (U+DC80..U+DCFF, as Python's surrogateescape does) and is written back unchanged.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::tokenizer::jinja {

struct Char {
  char32_t code = 0;
  size_t size = 1;  // bytes
};

// The character that starts at byte `at` (< s.size()).
Char char_at(std::string_view s, size_t at);
void append_char(char32_t code, std::string* out);
size_t count_chars(std::string_view s);
// The byte offset of character `n`, or s.size() when there are fewer.
size_t byte_offset(std::string_view s, size_t n);

// Python's str.isspace, str.isprintable, str.isalpha, str.isdigit for one character.
bool is_space(char32_t code);
bool is_printable(char32_t code);
bool is_alpha(char32_t code);
bool is_digit(char32_t code);
bool is_upper(char32_t code);
bool is_lower(char32_t code);

enum class Case { kUpper, kLower, kTitle };
// Appends `code` in the given case (one to three characters: U+00DF becomes SS).
void append_cased(char32_t code, Case to, std::string* out);

}  // namespace kedge::tokenizer::jinja
