#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  const Attempt& a = s.last();
  if (!acceptable(a)) return std::nullopt;
  if (s.may_escalate() && s.gain() >= s.policy.min_gain) return std::nullopt;
  return Decision{Action::kCommit, "",
                  "p = " + show_probability(*a.p) + ", at least the threshold " + show_probability(*a.threshold)};
}

}  // namespace

extern constinit const RuleDef confident;
constinit const RuleDef confident = {
    "confident", "an answer whose probability reaches its threshold, and that another model would hardly improve",
    RulePhase::kAfter, 20, decide};

}  // namespace kedge::router::rules
