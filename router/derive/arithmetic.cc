// "What is 417 + 268?", and whether somebody's answer to that is right.
#include "router/derive.h"
#include "router/recompute.h"

namespace kedge::router::derivations {
namespace {

std::optional<Derived> sum(std::string_view question) {
  auto parsed = parse_arithmetic(question);
  if (!parsed) return std::nullopt;
  return Derived{.answer = parsed->result.readable(),
                 .steps = std::move(parsed->steps),
                 .number = {.value = parsed->result, .operands = std::move(parsed->operands)}};
}

std::optional<Derived> derive(std::string_view question) {
  const auto prompt = parse_verifier_prompt(question);
  if (!prompt) return sum(question);
  auto inner = sum(prompt->question);
  const auto right = inner ? says(prompt->proposed, *inner) : std::nullopt;
  if (!right) return std::nullopt;
  return Derived{.answer = *right ? "yes" : "no", .steps = std::move(inner->steps), .form = Derived::Form::kYesNo};
}

}  // namespace

extern constinit const DerivationDef arithmetic;
constinit const DerivationDef arithmetic = {"arithmetic", "sums, and proposed answers to them", derive};

}  // namespace kedge::router::derivations
