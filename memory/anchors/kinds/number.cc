// Numbers bound to a name: "port 8443", "Section 4.2(b)", "RFC 2119", "timeout = 30", "version: 2.1".
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::anchors {
namespace {

// What is numbered rather than counted: the number is a name.
bool is_designator(std::string_view word) {
  constexpr std::string_view kWords[] = {
      "port",    "code",  "section",  "article", "clause", "version", "figure",    "table", "equation", "chapter",
      "page",    "room",  "rfc",      "pep",     "issue",  "ticket",  "order",     "line",  "invoice",  "account",
      "number",  "no",    "appendix", "rule",    "case",   "isbn",    "extension", "fig",   "eq",       "eqs",
      "theorem", "lemma", "schedule", "item",    "gate",   "flight",  "error",     "build", "revision", "paragraph"};
  char lower[12];
  if (word.size() > sizeof lower) return false;
  for (size_t i = 0; i < word.size(); ++i) lower[i] = to_lower(word[i]);
  return is_one_of(std::string_view(lower, word.size()), kWords);
}

// The number at i with its decimals, groups and letters: 4.2(b), 8443, 0x1F, 3.14.
size_t number_end(std::string_view s, size_t i) {
  size_t j = word_end(s, i);
  while ((at(s, j) == '.' || at(s, j) == '-' || at(s, j) == ',') && is_digit(at(s, j + 1))) j = word_end(s, j + 1);
  while (at(s, j) == '(' && is_alnum(at(s, j + 1)) && at(s, j + 2) == ')') j += 3;
  return j;
}

}  // namespace

void find_numbers(std::string_view s, std::vector<Reference>* out) {
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_digit(s[i])) {
      if (is_word(s[i])) i = word_end(s, i) - 1;
      continue;
    }
    const size_t end = number_end(s, i);
    // Back over the sign that binds: a blank, '#', ": ", " = ".
    size_t b = i;
    if (b > 0 && (s[b - 1] == '#' || s[b - 1] == '$')) --b;
    bool bound = false;
    while (b > 0 && (is_blank(s[b - 1]) || s[b - 1] == '.')) --b;
    if (b > 0 && (s[b - 1] == '=' || s[b - 1] == ':')) {
      bound = true;
      --b;
      while (b > 0 && is_blank(s[b - 1])) --b;
    }
    const size_t w = word_begin(s, b);
    if (w < b && w < i && (is_alpha(s[w]) || s[w] == '_') && (bound || is_designator(s.substr(w, b - w)))) {
      add_reference(out, w, end, ReferenceKind::kNumber, false);
    }
    i = end - 1;
  }
}

}  // namespace kedge::anchors
