#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  if (!s.fast_open || !s.has_deep) return std::nullopt;
  return Decision{Action::kGenerate, "deep", "the breaker of the fast model is open"};
}

}  // namespace

extern constinit const RuleDef breaker;
constinit const RuleDef breaker = {"breaker", "a fast model that keeps failing is left alone", RulePhase::kBefore, 30,
                                   decide};

}  // namespace kedge::router::rules
