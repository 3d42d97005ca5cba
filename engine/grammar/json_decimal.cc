#include "engine/grammar/json_decimal.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace kedge::engine::grammar {

Decimal Decimal::of(const Json& number) {
  Decimal d;
  int exponent = 0;  // the point stands behind so many more digits
  std::string digits;
  if (number.is_number_unsigned()) {
    digits = std::to_string(number.get<uint64_t>());
  } else if (number.is_number_integer()) {
    digits = std::to_string(number.get<int64_t>());
    d.negative = digits[0] == '-';
    digits.erase(0, d.negative ? 1 : 0);
  } else {
    char text[40];
    const double value = number.get<double>();
    d.negative = value < 0;
    const char* end = std::to_chars(text, text + sizeof(text), std::fabs(value), std::chars_format::scientific).ptr;
    const char* e = std::find(static_cast<const char*>(text), end, 'e');
    std::copy_if(static_cast<const char*>(text), e, std::back_inserter(digits), [](char c) { return c != '.'; });
    std::from_chars(e[1] == '+' ? e + 2 : e + 1, end, exponent);
    exponent -= static_cast<int>(digits.size()) - 1;
  }
  if (exponent > 0) digits.append(static_cast<size_t>(exponent), '0');
  const size_t decimals = exponent < 0 ? static_cast<size_t>(-exponent) : 0;
  if (digits.size() < decimals) digits.insert(0, decimals - digits.size(), '0');
  d.whole = digits.substr(0, digits.size() - decimals);
  d.fraction = digits.substr(digits.size() - decimals);
  d.whole.erase(0, std::min(d.whole.find_first_not_of('0'), d.whole.size()));
  d.fraction.erase(d.fraction.find_last_not_of('0') + 1);
  if (d.is_zero()) d.negative = false;
  return d;
}

std::optional<uint64_t> Decimal::digits() const {
  const std::string all = whole + fraction;
  uint64_t value = 0;
  if (all.empty()) return value;
  const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), value);
  if (error != std::errc() || end != all.data() + all.size()) return std::nullopt;
  return value;
}

bool Decimal::is_multiple_of(uint64_t divisor, size_t decimals) const {
  if (fraction.size() > decimals) return false;
  unsigned __int128 rest = 0;
  for (const char c : whole + fraction) rest = (rest * 10 + static_cast<unsigned>(c - '0')) % divisor;
  for (size_t i = fraction.size(); i < decimals; ++i) rest = rest * 10 % divisor;
  return rest == 0;
}

std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? std::strong_ordering::less : std::strong_ordering::greater;
  std::strong_ordering order = a.whole.size() <=> b.whole.size();
  if (order == 0) order = a.whole <=> b.whole;
  if (order == 0) order = a.fraction <=> b.fraction;  // without zeros at the end: by characters is by value
  return a.negative ? 0 <=> order : order;
}

}  // namespace kedge::engine::grammar
