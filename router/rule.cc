#include "router/rule.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "router/courtesy.h"

namespace kedge::router {

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
    case Action::kDerive:
      return "derive";
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

namespace {

constexpr auto kOpeningMarks = std::to_array<std::string_view>({"\"", "\u201c", "\u201e", "\u00ab"});

// An instruction that brings the text it is about, behind a colon, a question mark, or in quotation marks.
bool is_transform(std::string_view question) {
  constexpr auto kVerbs = std::to_array<std::string_view>(
      {"write",      "rewrite",   "convert",   "change",   "turn",       "put",        "make",   "reverse",  "sort",
       "order",      "arrange",   "extract",   "replace",  "repeat",     "copy",       "give",   "return",   "count",
       "translate",  "summarize", "summarise", "spell",    "correct",    "fix",        "format", "list",     "remove",
       "delete",     "split",     "join",      "echo",     "capitalize", "capitalise", "rank",   "classify", "rephrase",
       "paraphrase", "shorten",   "complete",  "continue", "find"});
  const std::string_view core = without_courtesy(question).core;
  size_t at = 0;
  const std::string verb = next_word(core, at);
  const bool counts = verb == "how" && next_word(core, ++at) == "many";
  if (!counts && std::find(kVerbs.begin(), kVerbs.end(), verb) == kVerbs.end()) return false;
  const std::string_view rest = core.substr(at);
  const size_t cut = rest.find_first_of(":?");
  if (cut != std::string_view::npos && rest.find_first_not_of(" \t\r\n.?!", cut + 1) != std::string_view::npos)
    return true;
  return std::any_of(kOpeningMarks.begin(), kOpeningMarks.end(),
                     [&](std::string_view mark) { return rest.find(mark) != std::string_view::npos; });
}

}  // namespace

std::string task_of(const AskRequest& request, const std::optional<Derived>& derived, bool has_evidence) {
  const std::string& text = request.question();
  if (!request.tools.is_null()) return "tools";
  if (text.find("Proposed answer:") != std::string::npos) return "check";
  if (has_evidence || text.find("<|doc|>") != std::string::npos) return "sources";
  if (derived) return derived->is_text() || derived->kind == "count" ? "transform" : "arithmetic";
  return is_transform(text) ? "transform" : "question";
}

}  // namespace kedge::router
