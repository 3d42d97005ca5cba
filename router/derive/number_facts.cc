// "Is 91 a prime number?", "Is 7 odd?", "Is 91 divisible by 7?", "What is 5 factorial?"
#include <array>

#include "router/courtesy.h"
#include "router/derive.h"
#include "router/numeral.h"

namespace kedge::router::derivations {
namespace {

using Int = Rational::Int;
using Words = std::initializer_list<std::string_view>;
constexpr Int kLargest = 1'000'000'000'000;  // its divisors are found by trying

class Reader {
 public:
  explicit Reader(std::string_view core) : tokens_(number_tokens(core)) {}

  bool accept(Words words) {
    size_t i = at_;
    for (const std::string_view w : words) {
      if (i >= tokens_.size() || tokens_[i].kind == NumberToken::kDigits || tokens_[i].text != w) return false;
      ++i;
    }
    at_ = i;
    return true;
  }
  // A whole number of at least 0.
  std::optional<Int> whole() {
    const auto taken = take_number(std::span(tokens_).subspan(std::min(at_, tokens_.size())));
    if (!taken || !taken->number.certain || !taken->number.value.is_whole()) return std::nullopt;
    at_ += taken->tokens;
    const Int n = taken->number.value.numerator();
    return n <= kLargest ? std::optional(n) : std::nullopt;
  }
  bool done() {
    while (accept({"?"}) || accept({"."})) {
    }
    return at_ == tokens_.size();
  }

 private:
  std::vector<NumberToken> tokens_;
  size_t at_ = 0;
};

std::string text(Int n) { return Rational::whole(n).text(); }

Derived verdict(bool yes, std::string steps) {
  return {.answer = yes ? "yes" : "no", .steps = std::move(steps), .form = Derived::Form::kYesNo};
}

Derived prime(Int n) {
  if (n < 2) return verdict(false, "prime numbers begin with 2");
  for (Int d = 2; d * d <= n; ++d) {
    if (n % d == 0) return verdict(false, text(n) + " = " + text(d) + " * " + text(n / d));
  }
  return verdict(true, "no number from 2 to the square root of " + text(n) + " divides it");
}

Derived divisible(Int n, Int by) {
  const std::string steps = text(n) + " = " + text(n / by) + " * " + text(by) + " + " + text(n % by);
  return verdict(n % by == 0, steps);
}

std::optional<Derived> yes_no(Reader& r) {
  r.accept({"the", "number"});
  const auto n = r.whole();
  if (!n) return std::nullopt;
  const bool article = r.accept({"a"}) || r.accept({"an"});
  const bool is_prime = r.accept({"prime"});
  const bool even = !is_prime && r.accept({"even"});
  const bool odd = !is_prime && !even && r.accept({"odd"});
  if (is_prime || even || odd) {
    if (article != r.accept({"number"}) && article) return std::nullopt;
    if (!r.done()) return std::nullopt;
    if (is_prime) return prime(*n);
    Derived d = divisible(*n, 2);
    if (odd) d.answer = d.answer == "yes" ? "no" : "yes";
    return d;
  }
  const bool multiple = r.accept({"multiple", "of"});
  if (article != multiple || (!multiple && !r.accept({"divisible", "by"}))) return std::nullopt;
  const auto by = r.whole();
  if (!by || *by == 0 || !r.done()) return std::nullopt;
  return divisible(*n, *by);
}

std::optional<Derived> factorial(Reader& r) {
  constexpr Int kMost = 30;
  for (const Words cue : {Words{"what", "is"}, Words{"what's"}, Words{"whats"}, Words{"calculate"}, Words{"compute"}}) {
    if (r.accept(cue)) break;
  }
  r.accept({"the"});
  const bool before = r.accept({"factorial", "of"});
  const auto n = r.whole();
  if (!n || *n < 1 || *n > kMost || (!before && !r.accept({"factorial"})) || !r.done()) return std::nullopt;
  std::optional<Rational> product = Rational::whole(1);
  for (Int i = 2; i <= *n && product; ++i) product = product->times(Rational::whole(i));
  if (!product) return std::nullopt;
  return Derived{.answer = product->text(),
                 .steps = "the product of the numbers from 1 to " + text(*n) + " = " + product->text(),
                 .number = {.value = *product, .operands = {Rational::whole(*n)}}};
}

std::optional<Derived> derive(std::string_view question) {
  const std::string_view core = without_courtesy(question).core;
  if (Reader r(core); r.accept({"is"})) return yes_no(r);
  Reader r(core);
  return factorial(r);
}

}  // namespace

extern constinit const DerivationDef number_facts;
constinit const DerivationDef number_facts = {"number_facts", "prime, even, odd, divisible, factorials", derive};

}  // namespace kedge::router::derivations
