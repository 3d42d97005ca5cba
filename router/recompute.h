// Arithmetic that a question asks for, computed exactly.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kedge {

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

  std::string text() const;  // "11", "-0.5", and "10/3" where the decimals never end

 private:
  Rational(Int n, Int d) : n_(n), d_(d) {}
  Int n_ = 0;
  Int d_ = 1;
};

// A number as people write it: 1,234.50, -7, .5. The whole text has to be one.
std::optional<Rational> parse_number(std::string_view text);

struct ArithmeticQuestion {
  Rational result = Rational::whole(0);
  std::vector<Rational> operands;
  bool divides = false;  // so an answer may be rounded
};

// Questions that are one expression and nothing else: "What is 6 + 5?", "12 * (3 - 1) =", "Subtract 4 from 10.", "the
// sum of 2, 3 and 4". Everything else, dates and telephone numbers and words of unknown effect included, gives nothing.
std::optional<ArithmeticQuestion> parse_arithmetic(std::string_view question);

// The prompt of a verifier: "Question: ...\nProposed answer: ...\nIs the answer correct?"
struct VerifierPrompt {
  std::string_view question;
  std::string_view proposed;
};
std::optional<VerifierPrompt> parse_verifier_prompt(std::string_view text);

// Whether an answer gives the result; nothing when it gives no one number.
std::optional<bool> gives_result(std::string_view answer, const ArithmeticQuestion& question);

// What the answer has to be: the number, or "yes" or "no" to a verifier prompt. Nothing for any other question.
std::optional<std::string> recompute(std::string_view question);

}  // namespace kedge
