#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  if (!s.may_escalate() || s.gain() < s.policy.min_gain) return std::nullopt;
  const Attempt& a = s.last();
  std::string why = "it promises +" + show_probability(s.gain());
  if (!a.error.empty()) why = a.alias + " gave no answer: " + a.error;
  if (a.aborted) why = "given up after " + std::to_string(a.tokens.size()) + " tokens";
  if (a.failed_check()) why = a.uncited() ? "no passage is cited for it" : "a check failed";
  return Decision{Action::kEscalate, "deep", why};
}

}  // namespace

extern constinit const RuleDef escalate;
constinit const RuleDef escalate = {"escalate", "the deep model, where it promises to do better", RulePhase::kAfter, 50,
                                    decide};

}  // namespace kedge::router::rules
