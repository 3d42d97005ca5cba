#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  const Attempt& a = s.last();
  if (!a.answered() || a.temperature <= s.policy.conservative_above) return std::nullopt;
  return Decision{Action::kConservative, a.alias,
                  "drawn at temperature " + show_probability(a.temperature) + "; asked again at 0"};
}

}  // namespace

extern constinit const RuleDef conservative;
constinit const RuleDef conservative = {
    "conservative", "a weak answer drawn by chance is asked for again without chance", RulePhase::kAfter, 30, decide};

}  // namespace kedge::router::rules
