#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  const int best = s.best_accepted();
  if (best < 0) return std::nullopt;
  const Attempt& a = s.attempts[static_cast<size_t>(best)];
  return Decision{Action::kCommit, "",
                  "attempt " + std::to_string(best + 1) + " reached its threshold: p = " + show_probability(*a.p),
                  best};
}

}  // namespace

extern constinit const RuleDef best_so_far;
constinit const RuleDef best_so_far = {"best_so_far",
                                       "an earlier answer that was good enough, when asking on gave no better",
                                       RulePhase::kAfter, 70, decide};

}  // namespace kedge::router::rules
