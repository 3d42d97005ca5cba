#include "router/rule.h"

namespace kedge::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  if (s.recomputed.empty()) return std::nullopt;
  return Decision{Action::kGenerate, "fast", "the answer can be recomputed"};
}

}  // namespace

extern constinit const RuleDef deterministic;
constinit const RuleDef deterministic = {"deterministic", "what can be recomputed goes to the small model",
                                         RulePhase::kBefore, 50, decide};

}  // namespace kedge::rules
