// Citations by author and year, in brackets or in the sentence, and of law reports.
#include <algorithm>

#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

constexpr size_t kMaxGroup = 300;  // of a bracket with citations
constexpr int kMaxNameWords = 10;

// A word of a name: Kaldley, O'Brien, Müller-Lüdenscheidt, "J.". One behind it, or i.
size_t name_word_end(std::string_view s, size_t i) {
  if (!is_upper(at(s, i)) && !is_high(at(s, i))) return i;
  size_t j = i;
  bool small = false;
  while (j < s.size() && (is_alpha(s[j]) || is_high(s[j]) || ((s[j] == '\'' || s[j] == '-') && j > i))) {
    small |= is_lower(s[j]) || is_high(s[j]);
    ++j;
  }
  if (is_month_or_day(s.substr(i, j - i))) return i;
  if (small) return j;
  if (j == i + 1 && at(s, j) == '.') {  // initials: J., J.R.
    while (is_upper(at(s, j + 1)) && at(s, j + 2) == '.') j += 2;
    return j + 1;
  }
  return i;
}

struct Names {
  size_t end = 0;        // one behind the last of them
  int words = 0;         // capitalised ones
  bool several = false;  // joined by "and", "&", "et al."
};

size_t skip_particle(std::string_view s, size_t i) {
  constexpr std::string_view kParticles[] = {"van", "von", "de", "der", "den", "la", "le", "du", "di", "da", "del"};
  const size_t e = word_end(s, i);
  return e > i && at(s, e) == ' ' && is_one_of(s.substr(i, e - i), kParticles) ? e + 1 : i;
}

// "Kaldley", "Ingstow and Cornor", "Harlow et al.", "Smith, J., Jones & de Vries". The names end where no further one
// follows; a comma behind the last is not theirs.
Names names_at(std::string_view s, size_t i) {
  Names n;
  n.end = i;
  while (n.words < kMaxNameWords) {
    size_t w = i;
    for (int k = 0; k < 3; ++k) w = skip_particle(s, w);
    const size_t e = name_word_end(s, w);
    if (e == w) break;
    ++n.words;
    n.end = e;
    if (has_at(s, e, " et al")) {
      n.end = e + 6 + (at(s, e + 6) == '.' ? 1 : 0);
      n.several = true;
      break;
    }
    i = e;
    if (at(s, i) == ',') ++i;
    if (at(s, i) != ' ') break;
    ++i;
    for (const std::string_view joint : {"and ", "& ", "y ", "und ", "et "}) {
      if (!has_at(s, i, joint)) continue;
      i += joint.size();
      n.several |= name_word_end(s, skip_particle(s, i)) > i;
      break;
    }
  }
  return n;
}

// What may stand between the year and the bracket's end or the next citation: ", p. 12", ", 2003", ": 14-16".
bool is_locator(std::string_view s) {
  if (s.empty()) return true;
  return (s[0] == ',' || s[0] == ':') && s.size() <= 30 && s.find_first_of("([{") == std::string_view::npos;
}

// Words before the names in a bracket.
size_t skip_lead(std::string_view s, size_t i) {
  for (const std::string_view lead : {"see also ", "see, e.g., ", "see e.g. ", "see ", "e.g., ", "e.g. ", "cf. ",
                                      "reviewed in ", "reviewed by ", "but see ", "in ", "after "}) {
    if (has_at(s, i, lead)) return i + lead.size();
  }
  return i;
}

// One citation between brackets or semicolons: "Harlow et al., 2019".
void add_item(std::string_view s, size_t begin, size_t end, std::vector<Reference>* out) {
  begin = skip_lead(s, skip_blanks(s, begin));
  const std::string_view item = s.substr(0, end);
  const Names names = names_at(item, begin);
  if (names.words == 0) return;
  const bool comma = at(item, names.end) == ',';
  const size_t year = skip_blanks(item, names.end + (comma ? 1 : 0));
  if (year == names.end || year + 4 > end || !is_year(item, year)) return;
  size_t year_end = year + 4;
  if (is_lower(at(item, year_end)) && !is_word(at(item, year_end + 1))) ++year_end;
  if (!is_locator(item.substr(year_end))) return;
  // "(Smith 2019)" could as well be "(Windows 2000)" or "(Paris 1968)".
  add_reference(out, begin, year_end, ReferenceKind::kCitation, comma || names.several);
}

// The inside of a bracket, cut at semicolons.
void add_group(std::string_view s, size_t begin, size_t end, std::vector<Reference>* out) {
  for (size_t i = begin; i < end;) {
    const size_t semicolon = std::min(s.substr(0, end).find(';', i), end);
    add_item(s, i, semicolon, out);
    i = semicolon + 1;
  }
}

// "Harlow et al. (2019)": the year's bracket opens at `open` and closes before `end`.
void add_narrative(std::string_view s, size_t open, size_t end, std::vector<Reference>* out) {
  if (open < 3 || s[open - 1] != ' ' || !is_year(s, open + 1)) return;
  size_t year_end = open + 5;
  if (is_lower(at(s, year_end))) ++year_end;
  if (year_end != end && !is_locator(s.substr(year_end, end - year_end))) return;
  // Back over at most two names: where a chain of names begins that ends at the bracket.
  size_t begin = open - 1;
  size_t best = open;
  bool several = false;
  for (int words = 0; words < 5 && begin > 0; ++words) {
    while (begin > 0 && !is_space(s[begin - 1])) --begin;
    const Names n = names_at(s.substr(0, open - 1), begin);
    // Before a chain that is complete only a comma goes on: "Smith, Jones and Lee (2018)", "Following Smith et al.
    // (2018)".
    if (several && best > begin + 1 && s[best - 2] != ',') break;
    if (n.words > 0 && n.end == open - 1 && (best == open || n.several)) {
      best = begin;
      several = n.several;
    }
    while (begin > 0 && is_space(s[begin - 1])) --begin;
  }
  if (best < open) add_reference(out, best, year_end, ReferenceKind::kCitation, several);
}

// "347 U.S. 483", "17 U.S.C. § 107": volume, reporter, page. The volume begins at i; one behind the page, or i.
size_t law_report_end(std::string_view s, size_t i) {
  size_t j = digits_end(s, i);
  if (j > i + 4 || at(s, j) != ' ') return i;
  ++j;
  bool reporter = false;
  for (int words = 0; words < 5; ++words) {
    if (reporter && has_at(s, j, "\xc2\xa7")) j = skip_blanks(s, j + 2);
    if (is_digit(at(s, j))) {
      size_t e = digits_end(s, j);
      if (!reporter || is_word(at(s, e)) || e > j + 5) return i;
      while (at(s, e) == '.' && is_digit(at(s, e + 1))) e = digits_end(s, e + 1);  // 1910.134(a)
      while (at(s, e) == '(' && is_alnum(at(s, e + 1)) && at(s, e + 2) == ')') e += 3;
      return e;
    }
    size_t e = j;
    while (e < s.size() && e < j + 10 && (is_alnum(s[e]) || s[e] == '.' || s[e] == '\'')) ++e;
    if (e == j || at(s, e) != ' ' || !is_upper(s[j])) return i;
    const std::string_view word = s.substr(j, e - j);
    const size_t stop = word.find('.');
    constexpr std::string_view kParts[] = {"Abs", "Nr",  "Art", "Ziff",  "No",
                                           "Fig", "Sec", "Vol", "Buchst"};  // of an act
    if (stop == std::string_view::npos || is_month_or_day(word.substr(0, stop))) return i;
    if (is_one_of(word.substr(0, stop), kParts)) return i;
    reporter = true;
    j = e + 1;
  }
  return i;
}

// "[2019] UKSC 41", "[2001] EWCA Civ 1234": year, court, number. The year's bracket is at i; one behind the number, or
// i.
size_t neutral_end(std::string_view s, size_t i) {
  if (!is_year(s, i + 1) || at(s, i + 5) != ']' || at(s, i + 6) != ' ') return i;
  size_t j = i + 7;
  for (int words = 0; words < 3 && is_upper(at(s, j)); ++words) {
    j = word_end(s, j);
    if (at(s, j) != ' ') return i;
    ++j;
  }
  const size_t e = digits_end(s, j);
  return j > i + 7 && e > j && !is_word(at(s, e)) ? e : i;
}

}  // namespace

void find_citations(std::string_view s, std::vector<Reference>* out) {
  for (size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (const size_t neutral = c == '[' ? neutral_end(s, i) : i; neutral > i) {
      add_reference(out, i, neutral, ReferenceKind::kCitation, true);
      i = neutral - 1;
      continue;
    }
    if (c == '(' || c == '[') {
      const size_t end = s.substr(0, std::min(s.size(), i + kMaxGroup)).find(c == '(' ? ')' : ']', i);
      if (end == std::string_view::npos) continue;
      add_group(s, i + 1, end, out);
      if (c == '(' && i + 5 <= end) add_narrative(s, i, end, out);
    } else if (is_digit(c) && (i == 0 || is_space(s[i - 1]) || s[i - 1] == '(')) {
      const size_t end = law_report_end(s, i);
      if (end > i) add_reference(out, i, end, ReferenceKind::kCitation, true);
    }
  }
}

}  // namespace kedge::memory::anchors
