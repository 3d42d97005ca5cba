// Sums of money: $1,204.50, 49,90 €, EUR 12, 180 euros, CHF 1'200.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

bool is_currency(std::string_view word) {
  constexpr std::string_view kWords[] = {"EUR",    "USD",     "GBP",    "CHF",   "JPY",    "CAD",     "AUD",
                                         "SEK",    "NOK",     "DKK",    "Euro",  "Euros",  "euro",    "euros",
                                         "dollar", "dollars", "pounds", "cents", "francs", "Franken", "yen"};
  return is_one_of(word, kWords);
}

// €, £, ¥ or $ at i: one behind it, or i.
size_t symbol_end(std::string_view s, size_t i) {
  if (has_at(s, i, "\xe2\x82\xac")) return i + 3;
  if (has_at(s, i, "\xc2\xa3") || has_at(s, i, "\xc2\xa5")) return i + 2;
  return at(s, i) == '$' ? i + 1 : i;
}

// 1,204.50, 1.204,50, 1'200, 12: one behind it.
size_t number_end(std::string_view s, size_t i) {
  size_t j = digits_end(s, i);
  while ((at(s, j) == ',' || at(s, j) == '.' || at(s, j) == '\'') && is_digit(at(s, j + 1))) j = digits_end(s, j + 1);
  return j;
}

}  // namespace

void find_amounts(std::string_view s, std::vector<Reference>* out) {
  for (size_t i = 0; i < s.size(); ++i) {
    const bool inner = i > 0 && (is_alnum(s[i - 1]) || s[i - 1] == '_');
    const size_t symbol = symbol_end(s, i);
    if (symbol > i || (is_upper(s[i]) && !inner && is_currency(s.substr(i, word_end(s, i) - i)))) {
      const size_t from = symbol > i ? symbol : word_end(s, i);
      const size_t number = at(s, from) == ' ' ? from + 1 : from;
      const size_t end = number_end(s, number);
      // $1 is a parameter of a shell.
      const bool dollar = s[i] == '$';
      if (end > number && !is_word(at(s, end)) && (!dollar || (number == from && end >= from + 2))) {
        add_reference(out, i, end, ReferenceKind::kAmount, false);
        i = end - 1;
        continue;
      }
      i = from - 1;
    } else if (is_digit(s[i]) && !inner && (i == 0 || s[i - 1] != '.')) {
      const size_t end = number_end(s, i);
      const size_t unit = at(s, end) == ' ' ? end + 1 : end;
      size_t e = symbol_end(s, unit);
      if (e > unit && s[unit] == '$' && (unit > end || is_word(at(s, e)))) e = unit;
      if (e == unit && unit > end && is_currency(s.substr(unit, word_end(s, unit) - unit))) e = word_end(s, unit);
      if (e > unit) add_reference(out, i, e, ReferenceKind::kAmount, false);
      i = (e > unit ? e : end) - 1;
    }
  }
}

}  // namespace kedge::memory::anchors
