#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  if (s.request.grounding != Grounding::kAlways || !s.has_index) return std::nullopt;
  std::string model = s.request.model;
  if (model == "auto") model = s.fast_open && s.has_deep ? "deep" : "fast";
  return Decision{Action::kGround, model, "the answer has to come from the sources"};
}

}  // namespace

extern constinit const RuleDef from_sources;
constinit const RuleDef from_sources = {"from_sources",
                                        "answers that have to come from sources begin with looking for them",
                                        RulePhase::kBefore, 5, decide};

}  // namespace kedge::router::rules
