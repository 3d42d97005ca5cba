#include "router/rational.h"

#include <algorithm>

namespace kedge::router {

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

std::optional<Rational> Rational::root(int degree) const {
  const auto whole_root = [degree](Int v) -> std::optional<Int> {
    const bool negative = v < 0;
    if (negative && degree % 2 == 0) return std::nullopt;
    Int low = 0;
    Int high = degree == 2 ? (Int{1} << 63) : (Int{1} << 42);
    const Int wanted = absolute(v);
    while (low < high) {
      const Int middle = low + (high - low) / 2;
      Int power = 1;
      for (int i = 0; i < degree; ++i) power *= middle;  // fits: below 2^126
      if (power < wanted) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    Int power = 1;
    for (int i = 0; i < degree; ++i) power *= low;
    if (power != wanted) return std::nullopt;
    return negative ? -low : low;
  };
  const auto n = whole_root(n_);
  const auto d = whole_root(d_);
  return n && d ? make(*n, *d) : std::nullopt;
}

bool Rational::decimals_end() const { return text().find('/') == std::string::npos; }

std::string Rational::readable() const {
  constexpr Int kScale = 10000;
  const std::string exact = text();
  Int scaled = 0;
  Int doubled = 0;
  if (decimals_end() || !mul(absolute(n_), 2 * kScale, &scaled) || !mul(d_, 2, &doubled) ||
      __builtin_add_overflow(scaled, d_, &scaled)) {
    return exact;
  }
  const auto rounded = make(n_ < 0 ? -(scaled / doubled) : scaled / doubled, kScale);
  return rounded ? exact + ", about " + rounded->text() : exact;
}

std::optional<bool> less(const Rational& a, const Rational& b) {
  const auto difference = a.minus(b);
  if (!difference) return std::nullopt;
  return difference->numerator() < 0;
}

}  // namespace kedge::router
