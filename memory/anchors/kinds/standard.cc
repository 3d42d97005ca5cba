// Published documents by their series and number: RFC 8878, PEP 484, ISO/IEC 9899:2011, DIN EN 60204-1, BCP 14.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::anchors {
namespace {

bool is_series(std::string_view word) {
  constexpr std::string_view kWords[] = {"RFC",  "PEP",  "ISO",  "IEC",  "IEEE", "ANSI", "DIN", "EN",
                                         "ECMA", "FIPS", "NIST", "BCP",  "STD",  "CWE",  "BS",  "ASTM",
                                         "JEP",  "JSR",  "ITU",  "ETSI", "TR",   "SP",   "RFCs"};
  return is_one_of(word, kWords);
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
    size_t letters = i;
    while (letters < end && is_alpha(s[letters])) ++letters;
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
      // Written like a record's number it names one thing; UTF-8 and ISO-8859-15 are vocabulary.
      const bool strong =
          s[j - 1] == '-' && s.substr(i, 2) != "IS" && s.substr(i, 2) != "IE" && s.substr(i, 3) != "DIN";
      add_reference(out, i, number, ReferenceKind::kStandard, strong);
      i = number - 1;
    } else {
      i = end - 1;
    }
  }
}

}  // namespace kedge::anchors
