#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  if (!s.last().answered() || s.last().failed_check() ||
      !(s.last().passed("arithmetic") || s.last().passed("text_task"))) {
    return std::nullopt;
  }
  return Decision{Action::kCommit, "", "recomputing gives the same"};
}

}  // namespace

extern constinit const RuleDef proven;
constinit const RuleDef proven = {"proven", "an answer that recomputing confirms needs no confidence",
                                  RulePhase::kAfter, 10, decide};

}  // namespace kedge::router::rules
