// Reading a grammar's source character by character, and saying where it is wrong.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "kernels/base/result.h"
#include "kernels/base/utf8.h"

namespace kedge::engine::grammar {

// Over UTF-8 that was found to be valid.
class TextCursor {
 public:
  static constexpr char32_t kEnd = 0x110000;

  explicit TextCursor(std::string_view text) : text_(text) {}

  std::string_view text() const { return text_; }
  size_t offset() const { return at_; }
  bool done() const { return at_ >= text_.size(); }
  char32_t peek() const {
    return done() ? kEnd : char32_t{base::utf8_code_point(text_, at_, base::utf8_char_length(text_, at_))};
  }
  char32_t next() {
    const char32_t c = peek();
    if (!done()) at_ += base::utf8_char_length(text_, at_);
    return c;
  }
  bool starts_with(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  bool take(std::string_view what) {
    if (!starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  // Exactly so many hexadecimal digits; false, with the cursor anywhere, when there are fewer.
  bool hex(int n_digits, char32_t& value) {
    value = 0;
    for (int i = 0; i < n_digits; ++i) {
      const char32_t c = next();
      const bool digit = c >= '0' && c <= '9';
      const char32_t letter = c | 0x20;
      if (!digit && (letter < 'a' || letter > 'f')) return false;
      if (value > 0xfffffff) return false;
      value = value * 16 + (digit ? c - '0' : letter - 'a' + 10);
    }
    return true;
  }
  // A decimal number that size_t holds; false, with the cursor where it was, when there is none.
  bool number(size_t& value) {
    const size_t begin = at_;
    value = 0;
    while (!done() && text_[at_] >= '0' && text_[at_] <= '9') {
      if (value > (~size_t{0} - 9) / 10) {
        at_ = begin;
        return false;
      }
      value = value * 10 + static_cast<size_t>(text_[at_++] - '0');
    }
    return at_ > begin;
  }
  // "line 2, column 5": of an offset, in characters.
  std::string line_and_column(size_t offset) const {
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < offset; i += base::utf8_char_length(text_, i)) {
      column = text_[i] == '\n' ? 1 : column + 1;
      line += text_[i] == '\n' ? 1 : 0;
    }
    return "line " + std::to_string(line) + ", column " + std::to_string(column);
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// A character as messages have it.
inline std::string in_words(char32_t c) {
  if (c >= TextCursor::kEnd) return "the end";
  if (c > 0x20 && c < 0x7f) return std::string("'") + static_cast<char>(c) + "'";
  constexpr const char* kDigits = "0123456789abcdef";
  std::string hex;
  for (int shift = c > 0xffff ? 20 : 12; shift >= 0; shift -= 4) hex += kDigits[(c >> shift) & 15];
  return "U+" + hex;
}

}  // namespace kedge::engine::grammar
