#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  const Attempt& a = s.last();
  std::string why = "nothing is left to try";
  if (!a.error.empty()) {
    why = a.error + "; " + why;
  } else if (a.uncited()) {
    why = "no passage is cited for it and " + why;
  } else if (a.failed_check()) {
    why = "a check failed and " + why;
  } else if (a.p && a.threshold) {
    why = "p = " + show_probability(*a.p) + " is below the threshold " + show_probability(*a.threshold) + " and " + why;
  } else if (a.outside()) {
    why = "no confidence: the question is unlike those calibrated on (" + a.gate->why + ")";
  } else if (!a.p) {
    why = "there is no calibrator to say how sure the answer is";
  }
  return Decision{Action::kAbstain, "", why};
}

}  // namespace

extern constinit const RuleDef abstain;
constinit const RuleDef abstain = {"abstain", "nothing is left to try", RulePhase::kAfter, 90, decide};

}  // namespace kedge::router::rules
