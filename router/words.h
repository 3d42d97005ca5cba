// Words of a text: runs of ASCII letters and digits and of bytes from 0x80 on. Views into the text.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

namespace kedge::router {

inline bool is_word_byte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (static_cast<unsigned char>(c) & 0x80U) != 0;
}

inline std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && is_word_byte(text[end])) ++end;
    if (end > i) found.push_back(text.substr(i, end - i));
    i = std::max(end, i + 1);
  }
  return found;
}

}  // namespace kedge::router
