#include <algorithm>

#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  const bool any = std::any_of(s.attempts.begin(), s.attempts.end(), [](const Attempt& a) { return a.answered(); });
  if (any) return std::nullopt;
  return Decision{Action::kFail, "", s.last().error.empty() ? "no attempt gave an answer" : s.last().error};
}

}  // namespace

extern constinit const RuleDef failed;
constinit const RuleDef failed = {"failed", "no model gave an answer", RulePhase::kAfter, 80, decide};

}  // namespace kedge::router::rules
