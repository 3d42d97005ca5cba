#include "router/rule.h"

namespace kedge::router::rules {
namespace {

std::optional<Decision> decide(const RouteState& s) {
  if (s.request.model == "auto") return std::nullopt;
  return Decision{Action::kGenerate, s.request.model, "the request names the model"};
}

}  // namespace

extern constinit const RuleDef explicit_model;
constinit const RuleDef explicit_model = {"explicit_model", "a model that was asked for by name is the only one asked",
                                          RulePhase::kBefore, 10, decide};

}  // namespace kedge::router::rules
