// Bracketed numbers: [12], [3, 7-9]. Not subscripts: what stands before the bracket is no name, call or other bracket.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::anchors {

void find_brackets(std::string_view s, std::vector<Reference>* out) {
  constexpr size_t kMaxInner = 40;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '[') continue;
    const char before = i == 0 ? ' ' : s[i - 1];
    if (is_word(before) || before == ')' || before == ']' || before == '$') continue;
    size_t j = i + 1;
    bool number = true;
    for (; j < s.size() && j <= i + kMaxInner && number; ++j) {
      const size_t end = digits_end(s, j);
      number = end > j && end <= j + 4;
      j = end;
      if (at(s, j) != ',' && at(s, j) != '-' && !has_at(s, j, "\xe2\x80\x93")) break;
      if (has_at(s, j, "\xe2\x80\x93")) j += 2;  // U+2013, an en dash
      j = skip_blanks(s, j + 1) - 1;
    }
    if (number && at(s, j) == ']') add_reference(out, i, j + 1, ReferenceKind::kBracket, false);
  }
}

}  // namespace kedge::anchors
