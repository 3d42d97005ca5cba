#include <algorithm>
#include <cmath>

#include "router/feature.h"
#include "router/rule.h"

namespace kedge::router::rules {
namespace {

// Below it the small model would have said something else but for the grammar, or was guessing.
constexpr double kSureOfTokens = 0.6;

// The probability of a token of the answer on (geometric) average, by the raw logits.
double sure_of_tokens(const Attempt& a) {
  const auto names = feature_names();
  const auto at = static_cast<size_t>(std::find(names.begin(), names.end(), "mean_logprob") - names.begin());
  return std::exp(a.features.at(at));
}

// The last answer that could be given: no check failed.
int last_good(const RouteState& s) {
  for (size_t i = s.attempts.size(); i-- > 0;) {
    if (s.attempts[i].answered() && !s.attempts[i].failed_check()) return static_cast<int>(i);
  }
  return -1;
}

std::optional<Decision> decide(const RouteState& s) {
  if (s.request.tools.is_null()) return std::nullopt;
  const int good = last_good(s);
  if (good < 0) return std::nullopt;
  const Attempt& a = s.attempts[static_cast<size_t>(good)];
  const bool is_last = static_cast<size_t>(good) + 1 == s.attempts.size();
  const double sure = sure_of_tokens(a);
  if (is_last && s.may_escalate() && sure < kSureOfTokens) {
    return Decision{
        Action::kEscalate, "deep",
        "a token's probability is " + show_probability(sure) + " on average, below " + show_probability(kSureOfTokens)};
  }
  if (!is_last && s.may_escalate()) return std::nullopt;
  const std::string what = a.calls.empty() ? "an answer without a call" : std::to_string(a.calls.size()) + " calls";
  return Decision{Action::kCommit, "", what + ", a token's probability " + show_probability(sure) + " on average",
                  good};
}

}  // namespace

extern constinit const RuleDef tools;
constinit const RuleDef tools = {"tools",
                                 "of requests with tools: calls the fast model is sure of, else the deep one's",
                                 RulePhase::kAfter, 12, decide};

}  // namespace kedge::router::rules
