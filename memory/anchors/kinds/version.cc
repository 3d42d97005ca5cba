// Versions: v1.2.3, 7.52.0, 1:2.9.14+dfsg-1.3~deb12u5, version 3, release 1.1, since 3.4.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

// What a number behind it makes a version.
bool is_release_word(std::string_view word) {
  constexpr std::string_view kWords[] = {"version",   "Version",   "versions", "release",      "Release",
                                         "v",         "ver",       "revision", "versionadded", "versionchanged",
                                         "versionen", "deprecated"};
  return is_one_of(word, kWords);
}

// 2.9.14+dfsg-1.3~deb12u5 at i: one behind it; the dots before the suffix, and whether there is one.
struct Number {
  size_t end;
  int dots = 0;
  bool suffix = false;
};

Number number_at(std::string_view s, size_t i) {
  Number n{digits_end(s, i)};
  while (at(s, n.end) == '.' && is_digit(at(s, n.end + 1))) {
    n.end = digits_end(s, n.end + 1);
    ++n.dots;
  }
  // What follows a sign has a digit: -1, +deb12u1, ~rc2; letters may stand directly behind: 3.0a1, 12rc1.
  for (size_t j = n.end; j < s.size();) {
    const bool sign = s[j] == '-' || s[j] == '+' || s[j] == '~' || s[j] == '.';
    size_t e = j + (sign ? 1 : 0);
    while (is_alnum(at(s, e))) ++e;
    if (e == j + (sign ? 1 : 0)) break;
    n.end = j = e;
    n.suffix = true;
  }
  return n;
}

// "0.5-1.0" is a range, not a version with a revision.
bool is_range(std::string_view s) {
  const size_t dash = s.find('-');
  if (dash == std::string_view::npos) return false;
  for (const char c : s) {
    if (!is_digit(c) && c != '.' && c != '-') return false;
  }
  const std::string_view a = s.substr(0, dash), b = s.substr(dash + 1);
  const size_t da = a.find('.'), db = b.find('.');
  if (da == std::string_view::npos || a.find('.', da + 1) != std::string_view::npos) return false;
  if (db == std::string_view::npos) return b.size() > 1;
  return da < db || (da == db && a <= b);
}

}  // namespace

void find_versions(std::string_view s, std::vector<Reference>* out) {
  for (size_t i = 0; i < s.size(); ++i) {
    const bool marked = (s[i] == 'v' || s[i] == 'V') && is_digit(at(s, i + 1));
    if (!is_digit(s[i]) && !marked) {
      if (is_word(s[i])) i = word_end(s, i) - 1;
      continue;
    }
    if (i > 0 && (s[i - 1] == '.' || s[i - 1] == '-' || s[i - 1] == '/' || s[i - 1] == '$')) {
      i = word_end(s, i) - 1;
      continue;
    }
    size_t first = i + (marked ? 1 : 0);
    const size_t epoch = digits_end(s, first);
    if (!marked && epoch <= first + 2 && at(s, epoch) == ':' && is_digit(at(s, epoch + 1)) &&
        at(s, digits_end(s, epoch + 1)) == '.') {
      first = epoch + 1;
    }
    const Number n = number_at(s, first);
    const std::string_view number = s.substr(first, n.end - first);
    size_t begin = i;
    size_t b = i;
    while (b > 0 && (s[b - 1] == ' ' || s[b - 1] == ':')) --b;
    const size_t w = word_begin(s, b);
    const bool named = b < i && w < b && is_release_word(s.substr(w, b - w));
    bool version = named;
    if (named && s[w] != 'd' && b + 1 == i) begin = w;
    if (!version && marked) version = n.dots >= 1;
    if (!version && !marked) {
      const bool revision = number.find_first_of("+~-") != std::string_view::npos;
      version = n.dots >= 2 || (n.dots == 1 && revision && !is_range(number) && is_digit(number.back()));
      if (n.dots >= 2 && n.suffix && !revision && number.find("..") != std::string_view::npos) version = false;
    }
    // 3.0.17-1~deb12u3 names one build of one thing.
    const bool strong = n.dots >= 2 && number.find_first_of("+~-") != std::string_view::npos;
    if (version) add_reference(out, begin, n.end, ReferenceKind::kVersion, strong);
    i = n.end - 1;
  }
}

}  // namespace kedge::memory::anchors
