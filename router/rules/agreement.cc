#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  const Attempt& a = s.last();
  if (s.policy.samples == 0 || !a.answered() || a.agreement || a.failed_check()) return std::nullopt;
  return Decision{Action::kSample, a.alias,
                  "weak; " + std::to_string(s.policy.samples) + " more draws show whether it is stable"};
}

}  // namespace

extern constinit const RuleDef agreement;
constinit const RuleDef agreement = {"agreement", "whether further draws agree, where the policy asks for them",
                                     RulePhase::kAfter, 60, decide};

}  // namespace kedge::router::rules
