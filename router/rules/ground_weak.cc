#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  if (s.request.grounding != Grounding::kWeak || !s.has_index || s.last().n_evidence > 0) return std::nullopt;
  if (!s.last().error.empty()) return std::nullopt;  // that model would fail again
  return Decision{Action::kGround, s.last().alias, "weak from memory; there is an index to look it up in"};
}

}  // namespace

extern constinit const RuleDef ground_weak;
constinit const RuleDef ground_weak = {"ground_weak", "a weak answer from memory is looked up", RulePhase::kAfter, 40,
                                       decide};

}  // namespace kedge::router::rules
