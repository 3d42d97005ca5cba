// Identifiers given by somebody's register: DOC-83FA21, INV-1991-9185, KB-0ED4D6, UUIDs, hashes, DOIs, docket numbers.
#include <algorithm>

#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

// Words of ASCII: in scripts without spaces the letters around an identifier are not its own.
bool is_ascii_word(char c) { return is_alnum(c) || c == '_'; }
size_t ascii_word_end(std::string_view s, size_t i) {
  while (i < s.size() && is_ascii_word(s[i])) ++i;
  return i;
}

enum class Form { kNone, kWeak, kStrong };

struct Counts {
  int digits = 0, upper = 0, lower = 0, other = 0;
};

Counts count(std::string_view s) {
  Counts c;
  for (const char b : s) {
    if (is_digit(b)) {
      ++c.digits;
    } else if (is_upper(b)) {
      ++c.upper;
    } else if (is_lower(b)) {
      ++c.lower;
    } else {
      ++c.other;
    }
  }
  return c;
}

// 8-4-4-4-12 hexadecimal digits.
bool is_uuid(std::string_view s) {
  if (s.size() != 36) return false;
  for (size_t i = 0; i < s.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? s[i] != '-' : !is_hex(s[i])) return false;
  }
  return true;
}

// A hash or an address in hexadecimal: seven digits (a short commit) or more, of both sorts.
Form hexadecimal(std::string_view s) {
  const bool prefixed = s.size() > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
  const std::string_view digits = prefixed ? s.substr(2) : s;
  for (const char c : digits) {
    if (!is_hex(c)) return Form::kNone;
  }
  const Counts c = count(digits);
  if (digits.size() < 7 || c.digits < 2 || c.upper + c.lower < 1 || (c.upper > 0 && c.lower > 0)) return Form::kNone;
  if (c.upper + c.lower == 1 && to_lower(digits[digits.find_first_of("eE") % digits.size()]) == 'e') {
    return Form::kNone;  // 1234e5678: a number in exponent notation
  }
  return prefixed ? Form::kWeak : Form::kStrong;
}

// Names of published standards and product lines have the form of a record's number but are vocabulary.
bool is_standard(std::string_view prefix) {
  constexpr std::string_view kPrefixes[] = {"ISO", "IEC", "IEEE",  "ANSI", "DIN", "UTF", "UCS",  "SHA", "AES", "RSA",
                                            "AVX", "SSE", "COVID", "GMT",  "UTC", "GPT", "MPEG", "MP",  "CP",  "BASE"};
  return is_one_of(prefix, kPrefixes);
}

// PREFIX-83FA21, PREFIX-1991-9185: letters, then groups of capitals and digits.
Form record_number(std::string_view s) {
  const size_t dash = s.find('-');
  if (dash == std::string_view::npos || dash < 1 || dash > 10 || !is_upper(s[0])) return Form::kNone;
  const std::string_view prefix = s.substr(0, dash);
  const Counts p = count(prefix);
  if (p.lower > 0 || p.other > 0 || p.upper < 1) return Form::kNone;
  const Counts t = count(s.substr(dash + 1));
  int dashes = 0;
  for (const char c : s.substr(dash + 1)) dashes += c == '-' ? 1 : 0;
  if (t.lower > 0 || t.other > dashes || t.digits == 0 || is_standard(prefix)) return Form::kNone;
  if (dash == 1) return t.digits + t.upper >= 5 ? Form::kStrong : Form::kNone;  // W-55626, not a berth H-27
  return t.digits + t.upper >= 3 ? Form::kStrong : Form::kWeak;
}

// US9123456B2, AB123456: a few capitals, then digits.
Form serial_number(std::string_view s) {
  size_t letters = 0;
  while (letters < s.size() && is_upper(s[letters])) ++letters;
  const size_t digits = digits_end(s, letters) - letters;
  const Counts c = count(s);
  if (letters < 1 || letters > 4 || digits < 4 || c.lower + c.other > 0) return Form::kNone;
  return digits >= 6 ? Form::kStrong : Form::kWeak;
}

// 19-cv-04521: year, court's letters, number.
bool is_docket(std::string_view s) {
  const size_t a = digits_end(s, 0);
  if (a < 1 || a > 4 || at(s, a) != '-') return false;
  size_t b = a + 1;
  while (b < s.size() && is_lower(s[b])) ++b;
  const size_t letters = b - a - 1;
  return letters >= 1 && letters <= 4 && at(s, b) == '-' && digits_end(s, b + 1) >= b + 4 &&
         digits_end(s, b + 1) == s.size();
}

Form classify(std::string_view word) {
  if (word.size() < 4 || count(word).digits == 0) return Form::kNone;
  if (is_uuid(word) || is_docket(word)) return Form::kStrong;
  for (const auto form : {record_number, hexadecimal, serial_number}) {
    const Form f = form(word);
    if (f != Form::kNone) return f;
  }
  return Form::kNone;
}

// "10.1000/xyz123", "arXiv:2401.01234": one behind it, or i.
size_t scholarly_end(std::string_view s, size_t i) {
  size_t j = i;
  if (has_at(s, i, "10.") && digits_end(s, i + 3) >= i + 7 && at(s, digits_end(s, i + 3)) == '/') {
    j = digits_end(s, i + 3) + 1;
  } else if (has_at(s, i, "arXiv:") && is_digit(at(s, i + 6))) {
    j = i + 6;
  } else {
    return i;
  }
  constexpr std::string_view kInner = "./-_()";
  size_t end = j;
  for (; j < s.size() && (is_word(s[j]) || kInner.find(s[j]) != std::string_view::npos); ++j) {
    if (is_word(s[j])) end = j + 1;
  }
  return end;
}

// DE89 3704 0044 0532 0130 00, with blanks or without: one behind it, or i.
size_t iban_end(std::string_view s, size_t i) {
  if (!is_upper(at(s, i)) || !is_upper(at(s, i + 1)) || !is_digit(at(s, i + 2)) || !is_digit(at(s, i + 3))) return i;
  size_t j = i + 4, characters = 4, digits = 2;
  while (characters < 34) {
    size_t e = j + (at(s, j) == ' ' && characters % 4 == 0 ? 1 : 0);
    if (!is_digit(at(s, e)) && !is_upper(at(s, e))) break;
    if (e > j && ascii_word_end(s, e) > e + 4) break;
    digits += is_digit(s[e]) ? 1 : 0;
    ++characters;
    j = e + 1;
  }
  return characters >= 15 && digits >= 10 && !is_word(at(s, j)) ? j : i;
}

// fe80::215:c5ff:fb3e:e2b1%eth0, 00:1a:2b:3c:4d:5e: one behind it, or i.
size_t colons_end(std::string_view s, size_t i) {
  size_t j = i, digits = 0;
  int colons = 0, pairs = 0;
  bool two = false;
  for (;;) {
    const size_t from = j;
    while (is_hex(at(s, j))) digits += is_digit(s[j++]) ? 1 : 0;
    if (j > from + 4) return i;
    pairs += j == from + 2 ? 1 : 0;
    if (at(s, j) != ':' || !(is_hex(at(s, j + 1)) || (at(s, j + 1) == ':' && is_hex(at(s, j + 2)) && !two))) break;
    ++colons;
    if (s[++j] == ':') {
      two = true;
      ++colons;
      ++j;
    }
  }
  const bool address = two ? colons >= 3 && digits > 0 : colons == 7;
  if ((!address && !(colons == 5 && pairs == 6)) || is_word(at(s, j))) return i;
  return at(s, j) == '%' ? word_end(s, j + 1) : j;
}

// libxxhash-dev, nlohmann-json3-dev: small letters with hyphens, and a sign that no word of the language has.
bool is_package(std::string_view s) {
  const size_t dash = s.find('-');
  if (dash == std::string_view::npos || dash < 3 || s.find('.') != std::string_view::npos) return false;
  if (s.substr(0, 3) == "lib" && dash > 4) return true;
  size_t part = 0;
  for (size_t i = 0; i <= s.size(); ++i) {
    if (i < s.size() && s[i] != '-') continue;
    const Counts c = count(s.substr(part, i - part));
    if (part > 0 && c.digits > 0 && c.lower >= 3 && is_lower(s[part])) return true;
    part = i + 1;
  }
  return false;
}

// libssl-dev:amd64: a package and its machine. One behind it, or i.
size_t package_end(std::string_view s, size_t i) {
  constexpr std::string_view kMachines[] = {"amd64", "arm64", "i386",    "armhf",  "armel",
                                            "all",   "any",   "riscv64", "ppc64el"};
  size_t j = i;
  while (is_lower(at(s, j)) || is_digit(at(s, j)) || at(s, j) == '-' || at(s, j) == '+' || at(s, j) == '.') ++j;
  if (j < i + 2 || !is_lower(s[i])) return i;
  if (at(s, j) == ':') {
    const size_t e = ascii_word_end(s, j + 1);
    return is_one_of(s.substr(j + 1, e - j - 1), kMachines) ? e : i;
  }
  while (s[j - 1] == '-' || s[j - 1] == '.' || s[j - 1] == '+') --j;
  if (is_word(at(s, j))) return i;
  const std::string_view name = s.substr(i, j - i);
  if (is_package(name)) return j;
  // openssl-dev (3.0.18-1)
  const bool marked = name.find('-') != std::string_view::npos || count(name).digits > 0;
  if (!marked || !has_at(s, j, " (") || !is_digit(at(s, j + 2))) return i;
  const size_t close = s.substr(0, std::min(s.size(), j + 60)).find_first_of(" )", j + 2);
  if (close == std::string_view::npos || s.substr(j + 2, close - j - 2).find('.') == std::string_view::npos) return i;
  return j;
}

// SLe257oHY9fVQ07Z, 571208-SLe257oHY9: letters of both sorts and digits that change often, as chance makes them.
bool is_random(std::string_view s) {
  const Counts c = count(s);
  if (s.size() < 8 || c.digits < 2 || c.upper < 2 || c.lower < 2) return false;
  int changes = 0, run = 0;
  const auto sort = [](char b) { return is_digit(b) ? 0 : is_upper(b) ? 1 : is_lower(b) ? 2 : 3; };
  for (size_t i = 1; i < s.size(); ++i) {
    changes += sort(s[i]) != sort(s[i - 1]) ? 1 : 0;
    run = is_lower(s[i]) ? run + 1 : 0;
    if (run == 3) return false;  // SortF32Desc
  }
  return changes * 2 >= static_cast<int>(s.size()) - 2;
}

// 1Z999AA10123456784, C01X00T47: capitals and digits, too long for an abbreviation.
bool is_code(std::string_view s) {
  const Counts c = count(s);
  return s.size() >= 8 && c.digits >= 3 && c.upper >= 1 && c.lower + c.other == 0;
}

// VIII ZR 145/19, 12 O 345/23, C-131/12: the chamber, the register, number and year. One behind it, or i.
size_t european_docket_end(std::string_view s, size_t i) {
  if ((s[i] == 'C' || s[i] == 'T') && at(s, i + 1) == '-') {
    const size_t number = digits_end(s, i + 2);
    const size_t year = at(s, number) == '/' ? digits_end(s, number + 1) : number;
    return number > i + 2 && year == number + 3 && !is_word(at(s, year)) ? year : i;
  }
  size_t j = digits_end(s, i);
  if (j == i) {
    while (at(s, j) == 'I' || at(s, j) == 'V' || at(s, j) == 'X') ++j;
  }
  if (j == i || j > i + 5 || at(s, j) != ' ' || !is_upper(at(s, j + 1))) return i;
  const size_t letters = ascii_word_end(s, j + 1);
  if (letters > j + 5 || count(s.substr(j + 1, letters - j - 1)).digits > 0 || at(s, letters) != ' ') return i;
  const size_t slash = digits_end(s, letters + 1);
  if (slash == letters + 1 || slash > letters + 6 || at(s, slash) != '/') return i;
  const size_t end = digits_end(s, slash + 1);
  return end == slash + 3 && !is_word(at(s, end)) ? end : i;
}

// "order #5" or "#5" with the sign at i: where it begins.
size_t hash_begin(std::string_view s, size_t i) {
  constexpr std::string_view kWords[] = {"issue", "Issue", "order",   "Order",   "ticket", "Ticket",
                                         "bug",   "Bug",   "PR",      "No",      "case",   "Case",
                                         "item",  "Item",  "invoice", "Invoice", "request"};
  if (i < 2 || s[i - 1] != ' ') return i;
  const size_t w = word_begin(s, i - 1);
  return is_one_of(s.substr(w, i - 1 - w), kWords) ? w : i;
}

// Four numbers below 256.
size_t ipv4_end(std::string_view s, size_t i) {
  for (int n = 0; n < 4; ++n) {
    const size_t e = digits_end(s, i);
    if (e == i || e > i + 3 || (e == i + 3 && s.substr(i, 3) > "255")) return 0;
    if (n == 3) return is_word(at(s, e)) || (at(s, e) == '.' && is_digit(at(s, e + 1))) ? 0 : e;
    if (at(s, e) != '.') return 0;
    i = e + 1;
  }
  return 0;
}

}  // namespace

void find_identifiers(std::string_view s, std::vector<Reference>* out) {
  const auto add = [&](size_t begin, size_t end, bool strong) {
    add_reference(out, begin, end, ReferenceKind::kIdentifier, strong);
    return end;
  };
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_ascii_word(s[i])) continue;
    size_t end = ascii_word_end(s, i);
    while (at(s, end) == '-' && is_alnum(at(s, end + 1))) end = ascii_word_end(s, end + 1);
    const std::string_view word = s.substr(i, end - i);
    const bool hash = i > 0 && s[i - 1] == '#';
    if (const size_t scholarly = scholarly_end(s, i); scholarly > i) {
      end = add(i, scholarly, true);
    } else if (const size_t account = iban_end(s, i); account > i) {
      end = add(i, account, true);
    } else if (const size_t colons = colons_end(s, i); colons > i) {
      end = add(i, colons, false);
    } else if (const size_t address = is_digit(s[i]) ? ipv4_end(s, i) : 0; address > 0) {
      end = add(i, address, false);
    } else if (const size_t docket = european_docket_end(s, i); docket > i) {
      end = add(i, docket, true);
    } else if (const size_t package = package_end(s, i); package > i) {
      end = add(i, package, false);
    } else if (const Form form = classify(word); form != Form::kNone) {
      while (at(s, end) == '/' && is_digit(at(s, end + 1)) && word.find('-') < word.size()) {  // RE-2024/00317
        end = digits_end(s, end + 1);
      }
      add(i, end, form == Form::kStrong);
    } else if (hash && digits_end(s, i) == end && (i == 1 || !is_word(s[i - 2]))) {  // issue #4711, (#5)
      add_reference(out, hash_begin(s, i - 1), end, ReferenceKind::kNumber, end >= i + 3);
    } else if (is_code(word)) {
      add(i, end, false);
    } else if (is_random(word)) {
      add(i, end, true);
    }
    i = end - 1;
  }
}

}  // namespace kedge::memory::anchors
