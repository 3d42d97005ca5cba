#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  const Attempt& a = s.last();
  if (!a.answered() || !a.outside() || s.best_accepted() >= 0) return std::nullopt;
  return Decision{Action::kAbstain, "",
                  "no confidence: the question is unlike those calibrated on (" + a.gate->why + ")"};
}

}  // namespace

extern constinit const RuleDef outside;
constinit const RuleDef outside = {"outside", "of questions unlike those calibrated on nothing is known",
                                   RulePhase::kAfter, 45, decide};

}  // namespace kedge::router::rules
