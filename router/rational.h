// Exact fractions.
#pragma once

#include <optional>
#include <string>

namespace kedge::router {

// A fraction in lowest terms, denominator > 0. Operations give nothing where 128 bits are not enough.
class Rational {
 public:
  using Int = __int128;

  static std::optional<Rational> make(Int numerator, Int denominator);
  static Rational whole(Int value) { return Rational(value, 1); }

  Int numerator() const { return n_; }
  Int denominator() const { return d_; }
  bool is_whole() const { return d_ == 1; }
  bool operator==(const Rational&) const = default;

  std::optional<Rational> plus(const Rational& b) const;
  std::optional<Rational> minus(const Rational& b) const;
  std::optional<Rational> times(const Rational& b) const;
  std::optional<Rational> over(const Rational& b) const;
  std::optional<Rational> power(const Rational& exponent) const;  // whole exponents from 0 to 127
  std::optional<Rational> root(int degree) const;                 // 2 or 3, where it is a fraction

  // "11", "-0.5", and "10/3" where the decimals never end.
  std::string text() const;
  bool decimals_end() const;
  // The same, for people: "10/3, about 3.3333".
  std::string readable() const;

 private:
  Rational(Int n, Int d) : n_(n), d_(d) {}
  Int n_ = 0;
  Int d_ = 1;
};

// a < b; nothing where 128 bits are not enough.
std::optional<bool> less(const Rational& a, const Rational& b);

}  // namespace kedge::router
