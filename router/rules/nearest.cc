#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  constexpr int kLeast = 8;  // neighbours, or there is nothing to learn from
  constexpr double kHopeless = 0.15;
  constexpr double kWorthIt = 0.50;
  if (!s.neighbours || !s.has_deep || s.neighbours->n < kLeast) return std::nullopt;
  if (s.neighbours->fast_right > kHopeless || s.neighbours->deep_right < kWorthIt) return std::nullopt;
  return Decision{Action::kGenerate, "deep",
                  "of " + std::to_string(s.neighbours->n) + " like it fast got " +
                      show_probability(s.neighbours->fast_right) + " right, deep " +
                      show_probability(s.neighbours->deep_right)};
}

}  // namespace

extern constinit const RuleDef nearest;
constinit const RuleDef nearest = {
    "nearest", "past questions like this one that the fast model got wrong and the deep one right go to the deep one",
    RulePhase::kBefore, 60, decide};

}  // namespace kedge::router::rules
