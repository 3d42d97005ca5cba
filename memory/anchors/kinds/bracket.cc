// Bracketed numbers: [12], [3, 7-9]. Not subscripts: what stands before the bracket is no name, call or other bracket.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::anchors {

namespace {

// The numbers in [begin, end) are data: an argument, or one of several such lists.
bool is_vector(std::string_view s, size_t begin, size_t end) {
  const char before = begin > 1 && s[begin - 1] == ' ' ? s[begin - 2] : begin > 0 ? s[begin - 1] : ' ';
  if (before == '[' || before == ',' || before == '=') return true;
  if (before == '(' && begin > 1 && is_word(s[begin - 2])) return true;
  return at(s, end) == ']' || (at(s, end) == ',' && (at(s, end + 1) == '[' || at(s, end + 2) == '['));
}

}  // namespace

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
    if (number && j == i + 10 + (s[i + 5] == '-' ? 0 : 2) && is_year(s, i + 1)) number = false;  // [1911-1997]
    if (number && s.find(',', i) < j && is_vector(s, i, j + 1)) number = false;
    if (number && at(s, j) == ']') add_reference(out, i, j + 1, ReferenceKind::kBracket, false);
  }
}

}  // namespace kedge::anchors
