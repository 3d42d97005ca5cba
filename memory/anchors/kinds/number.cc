// Numbers bound to a name: "port 8443", "UID 996", "No. 12", "timeout = 30", "sshd[1390]".
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

// Kundennummer, Rechnungsnr, partnumber.
bool ends_with_number(std::string_view word) {
  for (const std::string_view ending : {"nummer", "number", "nr"}) {
    if (word.size() >= ending.size() + 3 && word.substr(word.size() - ending.size()) == ending) return true;
  }
  return false;
}

// A code of capitals and digits that begins at i: B12, X7KPQ2. One behind it, or i.
size_t code_end(std::string_view s, size_t i) {
  const size_t e = word_end(s, i);
  bool digits = false;
  for (size_t j = i; j < e; ++j) {
    if (!is_upper(s[j]) && !is_digit(s[j])) return i;
    digits |= is_digit(s[j]);
  }
  return digits && e <= i + 10 ? e : i;
}

// What is numbered rather than counted: the number is a name.
bool is_designator(std::string_view word) {
  constexpr std::string_view kWords[] = {
      "port",   "code",   "room",  "issue", "ticket", "order",    "invoice", "account", "no",        "nr",
      "nummer", "case",   "isbn",  "gate",  "flight", "error",    "build",   "pid",     "extension", "uid",
      "gid",    "bug",    "konto", "nos",   "number", "patent",   "issn",    "ssn",     "vin",       "seat",
      "sku",    "serial", "badge", "hrb",   "hra",    "platform", "message"};
  char lower[24];
  if (word.size() > sizeof lower) return false;
  for (size_t i = 0; i < word.size(); ++i) lower[i] = to_lower(word[i]);
  const std::string_view w(lower, word.size());
  return is_one_of(w, kWords) || ends_with_number(w);
}

// The number at i with its decimals, groups and letters: 4.2(b), 8443, 0x1F, 3.14.
size_t number_end(std::string_view s, size_t i) {
  size_t j = word_end(s, i);
  while ((at(s, j) == '.' || at(s, j) == '-' || at(s, j) == ',' || at(s, j) == '/') && is_digit(at(s, j + 1)))
    j = word_end(s, j + 1);
  while (at(s, j) == '(' && is_alnum(at(s, j + 1)) && at(s, j + 2) == ')') j += 3;
  return j;
}

// 1101526904-1956-5, 192.168.1.2.889.32614, 987812255: one behind a number that counts nothing, or i.
size_t long_number_end(std::string_view s, size_t i) {
  if (i > 0 && (s[i - 1] == '.' || s[i - 1] == ',' || s[i - 1] == '\'')) return i;
  if (i > 0 && s[i - 1] == '-' && !(i > 1 && s[i - 2] == '-')) return i;
  size_t j = i;
  int digits = 0, groups = 0;
  bool dots = false, dashes = false;
  while (is_digit(at(s, j))) {
    const size_t e = digits_end(s, j);
    digits += static_cast<int>(e - j);
    ++groups;
    j = e;
    if ((s[i] == '0' && groups == 1 && at(s, j) == '.') || !is_digit(at(s, j + 1))) break;
    if (at(s, j) != '.' && at(s, j) != '-') break;
    dots |= s[j] == '.';
    dashes |= s[j] == '-';
    ++j;
  }
  if (is_word(at(s, j)) || at(s, j) == '%' || (at(s, j) == ',' && is_digit(at(s, j + 1)))) return i;
  const bool number = groups == 1 ? digits >= 7 : dots && !dashes ? groups >= 5 : dashes && !dots && digits >= 9;
  return number ? j : i;
}

}  // namespace

void find_numbers(std::string_view s, std::vector<Reference>* out) {
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_digit(s[i])) {
      if (!is_word(s[i])) continue;
      const size_t word = word_end(s, i);
      size_t code = at(s, word) == ' ' && is_upper(at(s, word + 1)) ? code_end(s, word + 1) : word;
      if (code > word + 1 && !is_designator(s.substr(i, word - i))) code = word;
      if (code > word + 1) {  // gate B12
        add_reference(out, i, code, ReferenceKind::kNumber, false);
        i = code - 1;
      } else {
        i = word - 1;
      }
      continue;
    }
    const size_t end = number_end(s, i);
    // Back over the sign that binds: a blank, '#', ": ", " = ", or a bracket: sshd[1390].
    size_t b = i;
    if (b > 0 && (s[b - 1] == '#' || s[b - 1] == '$')) --b;
    bool bound = false;
    const bool process = b > 1 && s[b - 1] == '[' && at(s, end) == ']' &&
                         (at(s, end + 1) == ':' || at(s, end + 1) == ' ') && end >= i + 2 && is_lower(s[b - 2]);
    if (process) --b;
    while (b > 0 && (is_blank(s[b - 1]) || s[b - 1] == '.')) --b;
    if (b > 0 && (s[b - 1] == '=' || s[b - 1] == ':')) {
      // f(lwd=2): an argument; i = 1, found: 0: states of a program.
      const size_t least = s[b - 1] == ':' ? 1 : b == i ? 3 : 2;
      bound = !(digits_end(s, i) == end && end < i + least) && !(s[i] == '0' && end == i + 1);
      --b;
      while (b > 0 && is_blank(s[b - 1])) --b;
    }
    const bool no = b > 2 && s.substr(b - 2, 2) == "\xc2\xb0" && (s[b - 3] == 'n' || s[b - 3] == 'N');  // n° 12
    size_t w = word_begin(s, b);
    const bool name = w < b && w < i && (is_alpha(s[w]) || s[w] == '_') && b > w + 1;
    const std::string_view word = s.substr(w, b - w);
    bound = bound && !(is_alpha(s[end - 1]) && is_alpha(s[end - 2])) && word != "Copyright";  // 7bit
    if (name && (bound || process || no || is_designator(word))) {
      while (process && w > 1 && s[w - 1] == '-' && is_alnum(s[w - 2])) w = word_begin(s, w - 1);
      add_reference(out, w, process ? end + 1 : end, ReferenceKind::kNumber, false);
    } else if (const size_t number = long_number_end(s, i); number > i) {
      add_reference(out, i, number, ReferenceKind::kIdentifier, false);
    }
    i = end - 1;
  }
}

}  // namespace kedge::memory::anchors
