#include "router/rule.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "router/words.h"

namespace kedge {

namespace rules {
#define KEDGE_ENTRY(name) extern constinit const RuleDef name;
#include "registry/rules.inc"
#undef KEDGE_ENTRY
}  // namespace rules

namespace {

using Rules = std::array < const RuleDef*, []() constexpr {
  size_t n = 0;
#define KEDGE_ENTRY(name) ++n;
#include "registry/rules.inc"
#undef KEDGE_ENTRY
  return n;
}
() > ;

constexpr Rules sorted_rules() {
  Rules all = {
#define KEDGE_ENTRY(name) &rules::name,
#include "registry/rules.inc"
#undef KEDGE_ENTRY
  };
  return all;
}

}  // namespace

const char* action_name(Action action) {
  switch (action) {
    case Action::kGenerate:
      return "generate";
    case Action::kGround:
      return "ground";
    case Action::kConservative:
      return "conservative";
    case Action::kSample:
      return "sample";
    case Action::kVerify:
      return "verify";
    case Action::kEscalate:
      return "escalate";
    case Action::kCommit:
      return "commit";
    case Action::kAbstain:
      return "abstain";
    case Action::kFail:
      return "fail";
  }
  return "unknown";
}

bool RouteState::tried(Action action) const {
  return std::any_of(attempts.begin(), attempts.end(),
                     [&](const Attempt& a) { return a.action == action_name(action); });
}

double RouteState::gain() const {
  const Attempt& a = last();
  if (!a.answered() || a.failed_check() || !a.p) return 1.0;
  return (a.p_deep ? *a.p_deep : 1.0) - *a.p;
}

bool RouteState::may_escalate() const {
  // What failed once would be asked the same again: nothing that matters has changed.
  return has_deep && policy.escalate && std::none_of(attempts.begin(), attempts.end(), [&](const Attempt& a) {
           return a.alias == "deep" && (a.n_evidence == n_evidence || !a.error.empty());
         });
}

int RouteState::best_accepted() const {
  int best = -1;
  for (size_t i = 0; i < attempts.size(); ++i) {
    if (!acceptable(attempts[i])) continue;
    if (best < 0 || *attempts[i].p > *attempts[static_cast<size_t>(best)].p) best = static_cast<int>(i);
  }
  return best;
}

bool acceptable(const Attempt& a) {
  return a.answered() && !a.failed_check() && a.verifier != "unsupported" && a.p && a.threshold && *a.p >= *a.threshold;
}

std::span<const RuleDef* const> all_rules() {
  static const Rules rules = [] {
    Rules all = sorted_rules();
    std::sort(all.begin(), all.end(), [](const RuleDef* a, const RuleDef* b) {
      return a->phase != b->phase ? a->phase < b->phase : a->rank < b->rank;
    });
    return all;
  }();
  return rules;
}

RuleDecision decide(RulePhase phase, const RouteState& state) {
  for (const RuleDef* rule : all_rules()) {
    if (rule->phase != phase) continue;
    if (auto decision = rule->decide(state)) return {*std::move(decision), rule};
  }
  return {{Action::kFail, "", "no rule decides"}, nullptr};
}

std::string show_probability(double p) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", p);
  return text;
}

std::string task_of(const AskRequest& request, bool arithmetic, bool has_evidence) {
  const std::string& text = request.question();
  if (text.find("Proposed answer:") != std::string::npos) return "check";
  if (has_evidence || text.find("<|doc|>") != std::string::npos) return "sources";
  if (arithmetic) return "arithmetic";
  // An instruction that brings the text it is about: something follows a colon, or a question mark.
  const size_t cut = text.find_first_of(":?");
  if (cut != std::string::npos && !words(std::string_view(text).substr(cut)).empty()) return "transform";
  return "question";
}

}  // namespace kedge
