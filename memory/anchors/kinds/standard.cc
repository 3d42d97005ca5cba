// Published documents by their series and number: RFC 8878, PEP 484, ISO/IEC 9899:2011, DIN EN 60204-1, BCP 14.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

bool is_series(std::string_view word) {
  constexpr std::string_view kWords[] = {"RFC",  "PEP",  "ISO",  "IEC",  "IEEE", "ANSI", "DIN", "EN",
                                         "ECMA", "FIPS", "NIST", "BCP",  "STD",  "CWE",  "BS",  "ASTM",
                                         "JEP",  "JSR",  "ITU",  "ETSI", "TR",   "SP",   "RFCs"};
  return is_one_of(word, kWords);
}

// Series of a body that are known by its name.
bool is_body(std::string_view word) {
  constexpr std::string_view kWords[] = {"ISO", "IEC", "IEEE", "DIN", "EN", "ANSI"};
  return is_one_of(word, kWords);
}

bool is_act(std::string_view word) {
  constexpr std::string_view kWords[] = {"Regulation", "Directive",  "Decision",
                                         "Verordnung", "Richtlinie", "Directiva"};
  return is_one_of(word, kWords);
}

// " (EU) No 2016/679", " 95/46/EC" behind the name of an act: one behind it, or i.
size_t act_end(std::string_view s, size_t i) {
  size_t j = i;
  if (has_at(s, j, " (") && at(s, j + 4) == ')') j += 5;
  for (const std::string_view no : {" No.", " No", " Nr."}) {
    if (has_at(s, j, no)) j += no.size();
  }
  const size_t a = at(s, j) == ' ' ? digits_end(s, j + 1) : j;
  if (a <= j + 1 || at(s, a) != '/') return i;
  const size_t b = digits_end(s, a + 1);
  if (b == a + 1) return i;
  size_t e = b;
  if (at(s, b) == '/') {
    while (is_upper(at(s, e + 1))) ++e;
    e = e == b ? b : e + 1;
  }
  return is_word(at(s, e)) ? i : e;
}

// The number at i: 8878, 60204-1, 9899:2011, 800-53. One behind it, or i.
size_t number_end(std::string_view s, size_t i) {
  size_t j = digits_end(s, i);
  if (j == i || j > i + 6) return i;
  while ((at(s, j) == '-' || at(s, j) == ':' || at(s, j) == '.') && is_digit(at(s, j + 1))) j = digits_end(s, j + 1);
  return is_word(at(s, j)) ? i : j;
}

}  // namespace

void find_standards(std::string_view s, std::vector<Reference>* out) {
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_word(s[i])) continue;
    const size_t end = word_end(s, i);
    if (!is_upper(s[i])) {
      i = end - 1;
      continue;
    }
    size_t letters = i;
    while (letters < end && is_alpha(s[letters])) ++letters;
    if (const size_t act = is_act(s.substr(i, letters - i)) ? act_end(s, end) : end; act > end) {
      add_reference(out, i, act, ReferenceKind::kStandard, true);
      i = act - 1;
      continue;
    }
    if (!is_series(s.substr(i, letters - i))) {
      i = end - 1;
      continue;
    }
    // Further names of the series: "DIN EN ISO", "ISO/IEC".
    size_t j = letters;
    while (j == word_end(s, j) && (at(s, j) == ' ' || at(s, j) == '/')) {
      const size_t e = word_end(s, j + 1);
      if (!is_series(s.substr(j + 1, e - j - 1))) break;
      j = e;
    }
    if (at(s, j) == ' ' || at(s, j) == '-' || at(s, j) == '#') ++j;
    const size_t number = number_end(s, j);
    if (number > j) {
      // RFC-45916 has the form of a record's number; ISO-8859-15 is vocabulary.
      const bool record = s[j - 1] == '-' && j == letters + 1 && !is_body(s.substr(i, letters - i));
      add_reference(out, i, number, record ? ReferenceKind::kIdentifier : ReferenceKind::kStandard, record);
      i = number - 1;
    } else {
      i = end - 1;
    }
  }
}

}  // namespace kedge::memory::anchors
