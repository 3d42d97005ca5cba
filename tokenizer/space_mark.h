// U+2581, which vocabularies of SentencePiece's kind write for a space.
#pragma once

#include <string>
#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::tokenizer {

inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

inline std::string unescape_spaces(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const bool mark = text.substr(i, kSpaceMark.size()) == kSpaceMark;
    out.push_back(mark ? ' ' : text[i]);
    i += mark ? kSpaceMark.size() : 1;
  }
  return out;
}

}  // namespace kedge::tokenizer
