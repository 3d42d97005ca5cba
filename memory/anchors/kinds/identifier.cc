// Identifiers given by somebody's register: DOC-83FA21, INV-1991-9185, KB-0ED4D6, UUIDs, hashes, DOIs, docket numbers.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::anchors {
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
  if (dash == std::string_view::npos || dash < 2 || dash > 10 || !is_upper(s[0])) return Form::kNone;
  const std::string_view prefix = s.substr(0, dash);
  const Counts p = count(prefix);
  if (p.lower > 0 || p.other > 0 || p.upper < 2) return Form::kNone;
  const Counts t = count(s.substr(dash + 1));
  int dashes = 0;
  for (const char c : s.substr(dash + 1)) dashes += c == '-' ? 1 : 0;
  if (t.lower > 0 || t.other > dashes || t.digits == 0 || is_standard(prefix)) return Form::kNone;
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
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_ascii_word(s[i])) continue;
    size_t end = ascii_word_end(s, i);
    while (at(s, end) == '-' && is_alnum(at(s, end + 1))) end = ascii_word_end(s, end + 1);
    if (const size_t scholarly = scholarly_end(s, i); scholarly > i) {
      add_reference(out, i, scholarly, ReferenceKind::kIdentifier, true);
      end = scholarly;
    } else if (const size_t address = is_digit(s[i]) ? ipv4_end(s, i) : 0; address > 0) {
      add_reference(out, i, address, ReferenceKind::kIdentifier, false);
      end = address;
    } else if (const Form form = classify(s.substr(i, end - i)); form != Form::kNone) {
      add_reference(out, i, end, ReferenceKind::kIdentifier, form == Form::kStrong);
    } else if (i > 0 && s[i - 1] == '#' && end >= i + 3 && digits_end(s, i) == end) {  // issue #4711
      add_reference(out, i - 1, end, ReferenceKind::kIdentifier, false);
    }
    i = end - 1;
  }
}

}  // namespace kedge::anchors
