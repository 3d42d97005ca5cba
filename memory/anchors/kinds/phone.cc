// Telephone numbers: +49 30 1234-567, (030) 123 456, 0800 1234567, 555-123-4567, and what follows "Tel.".
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

bool is_label(std::string_view word) {
  constexpr std::string_view kWords[] = {"Tel",     "tel",   "Telefon", "T\xc3\xa9l", "Phone",     "phone",  "Fax",
                                         "fax",     "Mobil", "Telefax", "telephone",  "Telephone", "Mobile", "mobile",
                                         "Hotline", "Call",  "call",    "Ring",       "ring",      "dial"};
  return is_one_of(word, kWords);
}

struct Digits {
  size_t end = 0;
  int digits = 0, groups = 0;
};

// Groups of digits from i on, joined by one blank, hyphen, dot or slash, the code of a place in brackets.
Digits groups_at(std::string_view s, size_t i) {
  Digits d;
  d.end = i;
  for (size_t j = i; d.groups < 8;) {
    const bool bracket = at(s, j) == '(';
    const size_t e = digits_end(s, j + (bracket ? 1 : 0));
    const int n = static_cast<int>(e - j) - (bracket ? 1 : 0);
    if (n == 0 || n > 12 || (bracket && at(s, e) != ')') || d.digits + n > 16) break;
    d.digits += n;
    ++d.groups;
    d.end = e + (bracket ? 1 : 0);
    j = d.end;
    if (at(s, j) == ' ' || at(s, j) == '-' || at(s, j) == '/' || at(s, j) == '.') {
      if (s[j] == ' ' && (at(s, j + 1) == '/' || at(s, j + 1) == '-')) ++j;
      ++j;
      if (at(s, j) == ' ' && at(s, j - 1) != ' ') ++j;
    }
    if (j == d.end && at(s, j) != '(' && !bracket) break;
  }
  return d;
}

}  // namespace

void find_phones(std::string_view s, std::vector<Reference>* out) {
  for (size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if ((c != '+' && c != '(' && !is_digit(c)) ||
        (i > 0 && (is_word(s[i - 1]) || s[i - 1] == '.' || s[i - 1] == '-'))) {
      if (is_word(c)) i = word_end(s, i) - 1;
      continue;
    }
    const Digits d = groups_at(s, i + (c == '+' ? 1 : 0));
    size_t b = i;
    while (b > 0 && (s[b - 1] == ' ' || s[b - 1] == ':' || s[b - 1] == '.')) --b;
    const size_t w = word_begin(s, b);
    const bool labelled = w < b && is_label(s.substr(w, b - w));
    const std::string_view word = s.substr(w, b - w);
    bool phone = false;
    if (c == '+') {
      phone = d.digits >= 8 && (labelled || d.groups >= 2 || d.digits >= 10);
    } else if (c == '(') {
      phone = d.groups >= 2 && d.digits >= (s[i + 1] == '0' ? 7 : 10);
    } else if (labelled) {
      phone = d.digits >= 5 && (d.groups >= 2 || d.digits >= 6 || is_upper(s[w]));
    } else if (c == '0') {
      phone = d.groups >= 2 && d.groups <= 5 && d.digits >= 8 && digits_end(s, i) >= i + 3 &&
              !(d.end == i + 10 && s[i + 5] == '-');  // 02110-1301, a place in Boston
    } else {
      phone = d.groups == 3 && d.digits == 10 && digits_end(s, i) == i + 3 && d.end == i + 12;
    }
    phone = phone && !is_word(at(s, d.end)) && word != "ISSN" && word != "ISBN";
    if (phone) add_reference(out, i, d.end, ReferenceKind::kPhone, false);
    if (d.groups > 0) i = (phone ? d.end : word_end(s, i + 1)) - 1;
  }
}

}  // namespace kedge::memory::anchors
