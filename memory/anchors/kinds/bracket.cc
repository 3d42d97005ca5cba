// Bracketed numbers and keys: [12], [3, 7-9], [Knu97], [ABC+19]. Not subscripts: what stands before the bracket is no
// name, call or other bracket.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {

namespace {

// The numbers in [begin, end) are data: an argument, or one of several such lists.
bool is_vector(std::string_view s, size_t begin, size_t end) {
  const char before = begin > 1 && s[begin - 1] == ' ' ? s[begin - 2] : begin > 0 ? s[begin - 1] : ' ';
  if (before == '[' || before == ',' || before == '=') return true;
  if (before == '(' && begin > 1 && is_word(s[begin - 2])) return true;
  const size_t next = at(s, end) == ',' ? skip_blanks(s, end + 1) : end;
  return at(s, end) == ']' || (next > end && at(s, next) == '[' && is_digit(at(s, next + 1)));
}

// A key made of authors and a year at i: Knu97, ABC+19a. One behind it, or i.
size_t key_end(std::string_view s, size_t i) {
  size_t j = i;
  while (is_alpha(at(s, j)) || at(s, j) == '+') ++j;
  const size_t e = digits_end(s, j);
  if (!is_upper(at(s, i)) || j < i + 2 || j > i + 8 || e != j + 2) return i;
  return is_lower(at(s, e)) && !is_word(at(s, e + 1)) ? e + 1 : e;
}

}  // namespace

void find_brackets(std::string_view s, std::vector<Reference>* out) {
  constexpr size_t kMaxInner = 40;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '[') continue;
    const char before = i == 0 ? ' ' : s[i - 1];
    if (is_word(before) || before == ')' || before == ']' || before == '$') continue;
    if (const size_t key = key_end(s, i + 1); key > i + 1 && (at(s, key) == ']' || at(s, key) == ',')) {
      const size_t close = s.find(']', key);
      if (close != std::string_view::npos && close <= i + kMaxInner) {
        const bool alone = s[key] == ']';  // not [Knu97, p. 7]
        add_reference(out, alone ? i : i + 1, alone ? key + 1 : key, ReferenceKind::kBracket, false);
        i = close;
        continue;
      }
    }
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

}  // namespace kedge::memory::anchors
