#include <algorithm>

#include "router/recompute.h"

namespace kedge {

namespace {

using Int = Rational::Int;

constexpr int kMaxPower = 127;
constexpr int kMaxDecimals = 36;

// Never called with the smallest value of all: make() refuses it.
Int absolute(Int v) { return v < 0 ? -v : v; }
constexpr Int kLowest = static_cast<Int>(static_cast<unsigned __int128>(1) << 127);

Int gcd(Int a, Int b) {
  while (b != 0) {
    const Int r = a % b;
    a = b;
    b = r;
  }
  return a;
}

std::string digits(Int v) {
  std::string text;
  do {
    text += static_cast<char>('0' + static_cast<int>(v % 10));
    v /= 10;
  } while (v > 0);
  std::reverse(text.begin(), text.end());
  return text;
}

bool mul(Int a, Int b, Int* out) { return !__builtin_mul_overflow(a, b, out); }

}  // namespace

std::optional<Rational> Rational::make(Int n, Int d) {
  if (d == 0 || n == kLowest || d == kLowest) return std::nullopt;
  if (d < 0) {
    n = -n;
    d = -d;
  }
  const Int common = n == 0 ? d : gcd(absolute(n), d);
  return Rational(n / common, d / common);
}

std::optional<Rational> Rational::plus(const Rational& b) const {
  Int left = 0;
  Int right = 0;
  Int n = 0;
  Int d = 0;
  if (!mul(n_, b.d_, &left) || !mul(b.n_, d_, &right) || __builtin_add_overflow(left, right, &n) ||
      !mul(d_, b.d_, &d)) {
    return std::nullopt;
  }
  return make(n, d);
}

std::optional<Rational> Rational::minus(const Rational& b) const { return plus(Rational(-b.n_, b.d_)); }

std::optional<Rational> Rational::times(const Rational& b) const {
  Int n = 0;
  Int d = 0;
  if (!mul(n_, b.n_, &n) || !mul(d_, b.d_, &d)) return std::nullopt;
  return make(n, d);
}

std::optional<Rational> Rational::over(const Rational& b) const {
  const auto inverse = make(b.d_, b.n_);
  return inverse ? times(*inverse) : std::nullopt;
}

std::optional<Rational> Rational::power(const Rational& exponent) const {
  if (!exponent.is_whole() || exponent.n_ < 0 || exponent.n_ > kMaxPower) return std::nullopt;
  std::optional<Rational> result = whole(1);
  for (Int i = 0; i < exponent.n_ && result; ++i) result = result->times(*this);
  return result;
}

std::string Rational::text() const {
  const std::string sign = n_ < 0 ? "-" : "";
  const Int n = absolute(n_);
  std::string decimals;
  Int rest = n % d_;
  while (rest != 0 && decimals.size() < kMaxDecimals) {
    Int next = 0;
    if (!mul(rest, 10, &next)) break;
    decimals += static_cast<char>('0' + static_cast<int>(next / d_));
    rest = next % d_;
  }
  if (rest != 0) return sign + digits(n) + "/" + digits(d_);
  return sign + digits(n / d_) + (decimals.empty() ? "" : "." + decimals);
}

std::optional<Rational> parse_number(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const size_t dot = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, dot);
  const std::string_view decimals = dot < text.size() ? text.substr(dot + 1) : std::string_view{};
  if (whole.empty() && decimals.empty()) return std::nullopt;
  if (dot < text.size() && decimals.empty()) return std::nullopt;
  Int n = 0;
  Int d = 1;
  const auto take = [&](char c) {
    return c >= '0' && c <= '9' && mul(n, 10, &n) && !__builtin_add_overflow(n, static_cast<Int>(c - '0'), &n);
  };
  const size_t comma = whole.find(',');
  // Thousands: one to three digits, then groups of three.
  if (comma != std::string_view::npos && (comma == 0 || comma > 3 || (whole.size() - comma) % 4 != 0))
    return std::nullopt;
  for (size_t i = 0; i < whole.size(); ++i) {
    const bool at_group = comma != std::string_view::npos && i >= comma && (i - comma) % 4 == 0;
    if (at_group ? whole[i] != ',' : !take(whole[i])) return std::nullopt;
  }
  for (char c : decimals) {
    if (!take(c) || !mul(d, 10, &d)) return std::nullopt;
  }
  return Rational::make(negative ? -n : n, d);
}

}  // namespace kedge
