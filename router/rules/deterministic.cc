#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  // Earlier messages and passages may give the question another meaning.
  if (!s.derived || !s.derived_obeys || s.request.messages.size() > 1 || s.n_evidence > 0) return std::nullopt;
  return Decision{Action::kDerive, "", s.derived->steps};
}

}  // namespace

extern constinit const RuleDef deterministic;
constinit const RuleDef deterministic = {"deterministic", "what the router can work out itself is asked of no model",
                                         RulePhase::kBefore, 20, decide};

}  // namespace kedge::router::rules
