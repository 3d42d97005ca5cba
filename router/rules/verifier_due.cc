#include "router/rule.h"
#include "router/text_norm.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  const Attempt& a = s.last();
  if (!s.has_verifier || s.policy.verify == "never" || !a.answered() || a.outside() || !a.verifier.empty()) {
    return std::nullopt;
  }
  const bool undecided = a.n_evidence > 0 && a.checks.empty() && !declines(a.text);
  if (s.policy.verify != "always" && !undecided) return std::nullopt;
  return Decision{Action::kVerify, "verifier",
                  undecided ? "no check applies to the grounded answer" : "always verified"};
}

}  // namespace

extern constinit const RuleDef verifier_due;
constinit const RuleDef verifier_due = {
    "verifier_due", "the verifier model reads grounded answers that no check decided", RulePhase::kAfter, 15, decide};

}  // namespace kedge::router::rules
