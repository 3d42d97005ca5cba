#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  if (!s.has_deep || s.deep_cost.wall_s <= 0 || s.fast_cost.wall_s <= 0) return std::nullopt;
  const bool both = s.fast_cost.wall_s + s.deep_cost.wall_s <= s.remaining_s;
  if (both || s.deep_cost.wall_s > s.remaining_s) return std::nullopt;
  return Decision{Action::kGenerate, "deep", "no time for both models before the deadline, but for the deep one"};
}

}  // namespace

extern constinit const RuleDef deadline;
constinit const RuleDef deadline = {"deadline", "when there is only time for one of the two, the deep one",
                                    RulePhase::kBefore, 40, decide};

}  // namespace kedge::router::rules
