// Places in a text: § 823 Abs. 1 BGB, Section 4.2(b), Table 7, Art. 5, Kapitel 3, Appendix B, lines 33-37, and the
// numbers of headings: "5.6.27. Package-List", "2. Grant of Patent License."
#include <algorithm>

#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

constexpr std::string_view kParagraphSign = "\xc2\xa7";

// What parts of a text are called, in small letters, in the singular.
bool is_place(std::string_view word) {
  constexpr std::string_view kWords[] = {"section",
                                         "sec",
                                         "chapter",
                                         "appendix",
                                         "annex",
                                         "figure",
                                         "fig",
                                         "table",
                                         "tab",
                                         "listing",
                                         "equation",
                                         "eq",
                                         "article",
                                         "art",
                                         "clause",
                                         "paragraph",
                                         "para",
                                         "step",
                                         "part",
                                         "rule",
                                         "theorem",
                                         "lemma",
                                         "schedule",
                                         "exhibit",
                                         "volume",
                                         "vol",
                                         "page",
                                         "pp",
                                         "line",
                                         "number",
                                         "example",
                                         "footnote",
                                         "abschnitt",
                                         "kapitel",
                                         "abbildung",
                                         "abb",
                                         "tabelle",
                                         "anhang",
                                         "artikel",
                                         "absatz",
                                         "abs",
                                         "ziffer",
                                         "seite",
                                         "satz",
                                         "chapitre",
                                         "annexe",
                                         "tableau",
                                         "item",
                                         "definition",
                                         "corollary",
                                         "algorithm",
                                         "subsection",
                                         "paragraphen",
                                         "abschnitte",
                                         "recital",
                                         "alin\xc3\xa9"
                                         "a",
                                         "amendment",
                                         "anlage",
                                         "beilage",
                                         "rn",
                                         "rz",
                                         "phase",
                                         "title"};
  char lower[12];
  if (word.empty() || word.size() > sizeof lower) return false;
  for (size_t i = 0; i < word.size(); ++i) lower[i] = to_lower(word[i]);
  std::string_view w(lower, word.size());
  if (is_one_of(w, kWords)) return true;
  if (w.back() == 's' && is_one_of(w.substr(0, w.size() - 1), kWords)) return true;
  return w == "appendices" || w == "indices";
}

bool is_roman(char c) { return c == 'I' || c == 'V' || c == 'X' || c == 'L' || c == 'C'; }

// 4.2(b), 15a, IV, B, A.1 at i; letters alone stand behind a word with a capital only. One behind it, or i.
size_t number_end(std::string_view s, size_t i, bool letters) {
  size_t j = digits_end(s, i);
  if (j > i + 5) return i;
  if (j == i && is_upper(at(s, i)) && (letters || at(s, i + 1) == '.')) {
    j = i + 1;
    while (is_roman(s[i]) && is_roman(at(s, j))) ++j;
    const size_t code = at(s, j) == '.' && at(s, j + 1) == ' ' ? j + 2 : j + 1;  // article L. 121-1
    if (at(s, j) == '.' && j == i + 1 && is_digit(at(s, code)) && (s[i] == 'L' || s[i] == 'R' || s[i] == 'D')) {
      j = digits_end(s, code);
    } else if (!letters) {
      return i;
    }
    if (is_word(at(s, j)) || at(s, j) == '\'' || (at(s, j) == '.' && is_upper(at(s, j + 1)))) return i;
  }
  if (j == i) return i;
  while ((at(s, j) == '.' || at(s, j) == '-') && is_digit(at(s, j + 1))) j = digits_end(s, j + 1);
  if (is_alpha(at(s, j)) && !is_word(at(s, j + 1))) {
    ++j;
    if (at(s, j) == '-' && is_digit(at(s, j + 1))) j = digits_end(s, j + 1);  // 10b-5
  }
  if (is_word(at(s, j))) {
    if (!is_high(s[j]) || has_at(s, j, "\xc3")) return i;
    if (has_at(s, j, "\xe2\x80\x93") && is_digit(at(s, j + 3))) j = digits_end(s, j + 3);  // 33–37
  }
  while (at(s, j) == '(' && is_alnum(at(s, j + 1)) &&
         (at(s, j + 2) == ')' || (is_alnum(at(s, j + 2)) && at(s, j + 3) == ')'))) {
    j += at(s, j + 2) == ')' ? 3 : 4;
  }
  return j;
}

// "§ 823" goes on: " Abs. 1 Satz 2 Nr. 3 BGB". One behind it.
size_t law_end(std::string_view s, size_t i) {
  constexpr std::string_view kParts[] = {"Abs",    "Absatz", "Nr",       "Nummer", "Satz", "S",   "Ziff",
                                         "Buchst", "lit",    "Unterabs", "Alt",    "al",   "para"};
  for (int n = 0; n < 6 && at(s, i) == ' '; ++n) {
    const size_t e = word_end(s, i + 1);
    if (!is_one_of(s.substr(i + 1, e - i - 1), kParts)) break;
    size_t j = e + (at(s, e) == '.' ? 1 : 0);
    if (at(s, j) == ' ') ++j;
    size_t end = number_end(s, j, false);
    if (end == j && is_lower(at(s, j)) && !is_word(at(s, j + 1))) end = j + 1;  // lit. b
    if (end == j) break;
    i = end;
  }
  if (at(s, i) != ' ') return i;
  const size_t e = word_end(s, i + 1);
  int upper = 0;
  for (size_t k = i + 1; k < e; ++k) upper += is_upper(s[k]) ? 1 : 0;
  return upper >= 2 && is_upper(s[i + 1]) && e <= i + 9 ? e : i;
}

// All longer words of a title begin with a capital, and there is one at least.
bool is_title(std::string_view s) {
  int words = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_word(s[i])) continue;
    const size_t e = word_end(s, i);
    if (e - i >= 4 || words == 0) {
      if (!is_upper(s[i]) && !is_high(s[i])) return false;
    }
    ++words;
    i = e - 1;
  }
  return words >= 1 && words <= 10;
}

// "The Licensor warrants", "SUR LE LOGICIEL", "A sale ends": no unit as in "3.5 GHz" or "4.2 V".
bool begins_clause(std::string_view s) {
  const size_t e = word_end(s, 0);
  size_t upper = 0;
  while (upper < e && is_upper(s[upper])) ++upper;
  if (e == 1) return s[0] == 'A' && at(s, 1) == ' ' && word_end(s, 2) > 3;
  return e >= 3 ? upper <= 1 || upper == e : upper == 1 && is_lower(s[1]) && at(s, e) == ' ';
}

// The number of a heading at the beginning of a statement: one behind it, or `i`, where it begins.
size_t heading_end(std::string_view s, size_t i) {
  size_t j = is_upper(at(s, i)) && at(s, i + 1) == '.' && is_digit(at(s, i + 2)) ? i + 1 : digits_end(s, i);
  if (j == i || j > i + 3) return i;
  int levels = 1;
  while (at(s, j) == '.' && is_digit(at(s, j + 1)) && levels < 6) {
    const size_t e = digits_end(s, j + 1);
    if (e > j + 4) return i;
    j = e;
    ++levels;
  }
  const bool stop = at(s, j) == '.';
  const size_t text = j + (stop ? 1 : 0);
  if (levels > 1 && text == s.size()) return stop && i == 0 ? j : i;
  if (at(s, text) != ' ' || text + 1 >= s.size()) return i;
  const std::string_view title = s.substr(text + 1);
  constexpr std::string_view kQuotes = "\"'`\xe2\xc2";
  const bool begins = is_upper(title[0]) || is_high(title[0]) || kQuotes.find(title[0]) != std::string_view::npos;
  if (!begins) return i;
  const char last = title.back();
  if (levels > 1) return stop || levels > 2 || begins_clause(title) ? j : i;
  return stop && title.size() >= 5 && title.size() < 70 &&
                 is_title(title.substr(0, title.size() - (last == '.' ? 1 : 0)))
             ? j
             : i;
}

}  // namespace

void find_sections(std::string_view s, std::vector<Reference>* out) {
  size_t start = 0;
  while (at(s, start) == '#') ++start;
  if (at(s, start) == ' ') ++start;
  const size_t heading = heading_end(s, start);
  if (heading > start) add_reference(out, start, heading, ReferenceKind::kSection, false);
  for (size_t i = std::max(heading, start); i < s.size(); ++i) {
    size_t number = i;
    bool letters = false, law = false;  // a letter can be its number; the parts of an act can follow
    if (has_at(s, i, kParagraphSign)) {
      number = i + 2;
      while (has_at(s, number, kParagraphSign)) number += 2;
      law = true;
    } else if (is_alpha(s[i]) && (i == 0 || !is_word(s[i - 1]))) {
      const size_t e = word_end(s, i);
      // p. 40, S. 14 and s. 7(1) of an act
      const bool page =
          (s[i] == 'p' || s[i] == 'S' || s[i] == 's') && has_at(s, e, ". ") && e == i + 1 && is_digit(at(s, e + 2));
      // What can be a number stands behind it.
      const size_t n = e + (at(s, e) == '.' ? 1 : 0) + (at(s, e) == ' ' || at(s, e + 1) == ' ' ? 1 : 0);
      const bool numbered = is_digit(at(s, n)) || is_upper(at(s, n)) || at(s, n) == '(';
      if (!page && (!numbered || !is_place(s.substr(i, e - i)))) {
        i = e - 1;
        continue;
      }
      letters = is_upper(s[i]);
      law = letters;
      number = e + (at(s, e) == '.' ? 1 : 0);
      if (at(s, number) != ' ' && number == e) {
        i = e - 1;
        continue;
      }
    } else {
      continue;
    }
    if (at(s, number) == ' ') ++number;
    size_t end = number_end(s, number, letters);
    if (end == number && at(s, number) == '(' && is_digit(at(s, number + 1))) {  // Eq. (4)
      const size_t close = digits_end(s, number + 1);
      if (at(s, close) == ')') end = close + 1;
    }
    if (end == number) continue;
    if (law) end = law_end(s, end);
    add_reference(out, i, end, ReferenceKind::kSection, is_high(s[i]));
    i = end - 1;
  }
}

}  // namespace kedge::memory::anchors
