#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  (void)s;
  return Decision{Action::kGenerate, "fast", "the fast model is asked first"};
}

}  // namespace

extern constinit const RuleDef fast_first;
constinit const RuleDef fast_first = {"fast_first", "the fast model first", RulePhase::kBefore, 90, decide};

}  // namespace kedge::router::rules
