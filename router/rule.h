// The decisions of the router. Files of router/rules/ provide one each: the stem is its key, and it defines
// `constinit const RuleDef <stem>` in namespace kedge::router::rules. Rules of a phase are asked in ascending rank; the
// first one that decides, decides. They are functions of the state alone: no clock, no models, no chance.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "router/attempt.h"
#include "router/config.h"
#include "router/derive.h"

namespace kedge::router {

enum class Action {
  kDerive,        // what the router worked out itself is the answer
  kGenerate,      // first answer, from the model named
  kGround,        // retrieve passages and answer from them
  kConservative,  // the same question to the same model at temperature 0
  kSample,        // further answers, to see whether they agree
  kVerify,        // ask the verifier model
  kEscalate,      // the larger model, with the evidence so far
  kCommit,        // this is the answer
  kAbstain,       // there is no answer one can rely on
  kFail,          // there is no answer
};
const char* action_name(Action action);  // "generate", ...

struct Decision {
  Action action;
  std::string model;   // alias, for kGenerate and kEscalate
  std::string reason;  // for people, with the numbers compared
  int attempt = -1;    // the one that kCommit takes; -1: the last
};

struct Neighbours {  // of the question, among past ones
  int n = 0;
  double fast_right = 0;  // share
  double deep_right = 0;
};

struct RouteState {
  const AskRequest& request;
  const RoutePolicy& policy;
  std::string task = {};                // task_of()
  std::optional<Derived> derived = {};  // what the router worked out itself
  bool derived_obeys = false;           // and it passes the checks of the request (schema, pattern)
  std::optional<Neighbours> neighbours = {};
  bool has_deep = false;   // there is one that may be asked: another model than fast, its breaker closed
  bool fast_open = false;  // the breaker of fast is open
  bool has_index = false;  // and it has not been asked yet
  bool has_verifier = false;
  double remaining_s = 0;  // until the deadline
  CostMeter::Estimate fast_cost = {};
  CostMeter::Estimate deep_cost = {};
  std::vector<Attempt> attempts = {};  // answered or not, the latest last
  size_t n_evidence = 0;               // passages there are

  const Attempt& last() const { return attempts.back(); }
  bool tried(Action action) const;  // some attempt was followed by it
  // What p promises to gain by asking the deep model instead; 1 - p where the calibrator does not know.
  double gain() const;
  bool may_escalate() const;  // there is a deep model that has not answered yet
  int best_accepted() const;  // the attempt of the highest p among those that could be committed; -1: none
};

// No check failed and p reaches its threshold.
bool acceptable(const Attempt& attempt);

enum class RulePhase { kBefore, kAfter };

struct RuleDef {
  const char* name;
  const char* doc;
  RulePhase phase;
  int rank;
  std::optional<Decision> (*decide)(const RouteState& state);
};

std::span<const RuleDef* const> all_rules();  // by phase and rank

struct RuleDecision {
  Decision decision;
  const RuleDef* rule;
};
// Of the first rule that decides; the last rule of each phase always does.
RuleDecision decide(RulePhase phase, const RouteState& state);

// "0.973", as reasons write probabilities.
std::string show_probability(double p);

// What kind of question this is, from its form, courtesies around it aside: calibrators are per task. "tools"
// (functions may be called), "check" (a proposed answer is to be judged), "sources" (there are passages), "arithmetic"
// (a number, day, yes or no that can be worked out), "transform" (an instruction that brings the text to work on),
// "question".
std::string task_of(const AskRequest& request, const std::optional<Derived>& derived, bool has_evidence);

}  // namespace kedge::router
