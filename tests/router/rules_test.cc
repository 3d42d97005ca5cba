// Each rule of router/rules on states made by hand.
#include <algorithm>
#include <cmath>
#include <set>

#include "router/feature.h"
#include "router/rule.h"
#include "tests/router/router_harness.h"

namespace kedge::router {
namespace {

class Rules : public ::testing::Test {
 protected:
  Rules() {
    request_.messages.push_back({.role = "user", .content = "why", .extra_json = {}});
    state_.remaining_s = 30;
  }
  Attempt& add(double p, double threshold, const std::string& alias = "fast") {
    Attempt a;
    a.alias = alias;
    a.text = "because";
    a.p = p;
    a.threshold = threshold;
    state_.attempts.push_back(std::move(a));
    return state_.attempts.back();
  }
  std::optional<Decision> rule(const std::string& name) const {
    for (const RuleDef* r : all_rules()) {
      if (r->name == name) return r->decide(state_);
    }
    ADD_FAILURE() << "no rule " << name;
    return std::nullopt;
  }
  bool decides(const std::string& name, Action action, const std::string& model = "") const {
    const auto d = rule(name);
    if (!d) return false;
    EXPECT_EQ(action_name(d->action), std::string(action_name(action)));
    EXPECT_EQ(d->model, model);
    EXPECT_FALSE(d->reason.empty());
    return true;
  }

  AskRequest request_;
  RoutePolicy policy_;
  RouteState state_{.request = request_, .policy = policy_};
};

TEST_F(Rules, RanksAreUniqueAndTheLastAlwaysDecides) {
  std::set<std::pair<RulePhase, int>> ranks;
  std::set<std::string> names;
  const RuleDef* last[2] = {};
  for (const RuleDef* r : all_rules()) {
    EXPECT_TRUE(ranks.insert({r->phase, r->rank}).second) << r->name;
    EXPECT_TRUE(names.insert(r->name).second);
    EXPECT_FALSE(std::string(r->doc).empty());
    last[static_cast<int>(r->phase)] = r;
  }
  EXPECT_STREQ(last[0]->name, "fast_first");
  EXPECT_STREQ(last[1]->name, "abstain");
  EXPECT_TRUE(last[0]->decide(state_));
  for (const char* error : {"", "broken"}) {
    add(0.1, 0.9).error = error;
    EXPECT_TRUE(last[1]->decide(state_));
    EXPECT_NE(decide(RulePhase::kAfter, state_).rule, nullptr);
  }
}

TEST_F(Rules, BeforeTheFirstAnswer) {
  EXPECT_FALSE(rule("explicit_model"));
  request_.model = "sage";
  EXPECT_TRUE(decides("explicit_model", Action::kGenerate, "sage"));
  request_.model = "auto";

  EXPECT_FALSE(rule("from_sources"));
  request_.grounding = Grounding::kAlways;
  EXPECT_FALSE(rule("from_sources")) << "no index";
  state_.has_index = true;
  EXPECT_TRUE(decides("from_sources", Action::kGround, "fast"));
  state_.fast_open = state_.has_deep = true;
  EXPECT_TRUE(decides("from_sources", Action::kGround, "deep"));
  request_.grounding = Grounding::kNever;

  EXPECT_TRUE(decides("breaker", Action::kGenerate, "deep"));
  state_.has_deep = false;
  EXPECT_FALSE(rule("breaker")) << "there is no other";
  state_.has_deep = true;
  state_.fast_open = false;
  EXPECT_FALSE(rule("breaker"));

  EXPECT_FALSE(rule("deterministic"));
  state_.derived = derive("What is 2 + 3?");
  EXPECT_FALSE(rule("deterministic")) << "it does not obey the schema or pattern";
  state_.derived_obeys = true;
  EXPECT_TRUE(decides("deterministic", Action::kDerive));
  state_.n_evidence = 1;
  EXPECT_FALSE(rule("deterministic")) << "the answer has to come from passages";
  state_.n_evidence = 0;
  request_.messages.push_back(request_.messages.back());
  EXPECT_FALSE(rule("deterministic")) << "what was said before may change its meaning";
  request_.messages.pop_back();
}

TEST_F(Rules, DeadlineTakesTheDeepModelWhenThereIsTimeForOne) {
  state_.has_deep = true;
  state_.fast_cost.wall_s = 2;
  state_.deep_cost.wall_s = 5;
  state_.remaining_s = 7;
  EXPECT_FALSE(rule("deadline")) << "both fit";
  state_.remaining_s = 6;
  EXPECT_TRUE(decides("deadline", Action::kGenerate, "deep"));
  state_.remaining_s = 4;
  EXPECT_FALSE(rule("deadline")) << "the deep one does not fit";
  state_.remaining_s = 6;
  state_.deep_cost.wall_s = 0;
  EXPECT_FALSE(rule("deadline")) << "nothing is known yet";
}

TEST_F(Rules, NeighboursSendToTheDeepModel) {
  state_.has_deep = true;
  EXPECT_FALSE(rule("nearest"));
  state_.neighbours = Neighbours{.n = 8, .fast_right = 0.1, .deep_right = 0.6};
  EXPECT_TRUE(decides("nearest", Action::kGenerate, "deep"));
  state_.neighbours->n = 7;
  EXPECT_FALSE(rule("nearest"));
  state_.neighbours = Neighbours{.n = 8, .fast_right = 0.2, .deep_right = 0.6};
  EXPECT_FALSE(rule("nearest"));
  state_.neighbours = Neighbours{.n = 8, .fast_right = 0.1, .deep_right = 0.4};
  EXPECT_FALSE(rule("nearest"));
}

TEST_F(Rules, ProvenNeedsNoConfidence) {
  Attempt& a = add(0.01, 0.9);
  EXPECT_FALSE(rule("proven"));
  a.checks.push_back({.name = "arithmetic", .verdict = Verdict::kPass, .explanation = "x"});
  EXPECT_TRUE(decides("proven", Action::kCommit));
  a.checks.push_back({.name = "pattern", .verdict = Verdict::kFail, .explanation = "x"});
  EXPECT_FALSE(rule("proven"));
  a.checks.pop_back();
  a.aborted = true;
  EXPECT_FALSE(rule("proven"));
}

TEST_F(Rules, VerifierReadsGroundedAnswersNoCheckDecided) {
  Attempt& a = add(0.99, 0.9);
  a.n_evidence = 2;
  EXPECT_FALSE(rule("verifier_due")) << "no verifier";
  state_.has_verifier = true;
  EXPECT_TRUE(decides("verifier_due", Action::kVerify, "verifier"));
  a.checks.push_back({.name = "quote", .verdict = Verdict::kPass, .explanation = "x"});
  EXPECT_FALSE(rule("verifier_due"));
  policy_.verify = "always";
  EXPECT_TRUE(decides("verifier_due", Action::kVerify, "verifier"));
  a.verifier = "unverified: it broke";
  EXPECT_FALSE(rule("verifier_due")) << "once";
  a.verifier.clear();
  policy_.verify = "never";
  EXPECT_FALSE(rule("verifier_due"));
}

// However many others pass, and however sure the model is.
TEST_F(Rules, NoFailedCheckIsForgiven) {
  Attempt& a = add(0.99, 0.5);
  a.n_evidence = 1;
  a.text = "founded in 800 GB<|ref|>[K-1] \"It was founded in 800 GB.\"";
  EXPECT_TRUE(a.uncited());
  EXPECT_FALSE(rule("confident")) << "nothing is cited";
  EXPECT_NE(rule("abstain")->reason.find("no passage is cited"), std::string::npos);
  a.citations.push_back({.citation = {}, .by = ResolvedBy::kNone});
  EXPECT_FALSE(rule("confident")) << "what is cited is not there";
  a.citations[0].by = ResolvedBy::kSentence;
  EXPECT_TRUE(rule("confident"));
  a.checks.push_back({.name = "cited_value", .verdict = Verdict::kPass, .explanation = "x"});
  a.checks.push_back({.name = "quote", .verdict = Verdict::kFail, .explanation = "x"});
  EXPECT_FALSE(rule("confident"));
  EXPECT_FALSE(rule("best_so_far"));
  a.text = "not found in the sources";
  a.checks.clear();
  a.citations.clear();
  EXPECT_FALSE(a.uncited()) << "it gives no answer that could be cited";
}

TEST_F(Rules, ConfidentUnlessTheDeepModelPromisesMore) {
  policy_.min_gain = 0.05;
  Attempt& a = add(0.9, 0.9);
  EXPECT_TRUE(decides("confident", Action::kCommit)) << "reaching it is enough";
  a.p = 0.899;
  EXPECT_FALSE(rule("confident"));
  a.p = 0.9;
  state_.has_deep = true;
  a.p_deep = 0.94;
  EXPECT_TRUE(rule("confident"));
  a.p_deep = 0.96;
  EXPECT_FALSE(rule("confident"));
  EXPECT_TRUE(decides("escalate", Action::kEscalate, "deep"));
  policy_.escalate = false;
  EXPECT_TRUE(rule("confident"));
  a.verifier = "unsupported";
  EXPECT_FALSE(rule("confident"));
  a.verifier = "unverified: it broke";
  EXPECT_TRUE(rule("confident"));
  a.p.reset();
  EXPECT_FALSE(rule("confident"));
  a.p = 0.99;
  a.threshold.reset();
  EXPECT_FALSE(rule("confident")) << "no threshold accepts nothing";
}

TEST_F(Rules, WeakAnswersAreTriedAnotherWay) {
  Attempt& a = add(0.1, 0.9);
  a.temperature = 0.2;
  EXPECT_FALSE(rule("conservative"));
  a.temperature = 0.21;
  EXPECT_TRUE(decides("conservative", Action::kConservative, "fast"));
  a.error = "broken";
  EXPECT_FALSE(rule("conservative"));
  a.error.clear();

  EXPECT_FALSE(rule("ground_weak"));
  state_.has_index = true;
  request_.grounding = Grounding::kWeak;
  EXPECT_TRUE(decides("ground_weak", Action::kGround, "fast"));
  a.error = "broken";
  EXPECT_FALSE(rule("ground_weak"));
  a.error.clear();
  a.n_evidence = 1;
  EXPECT_FALSE(rule("ground_weak")) << "it was grounded";

  a.n_evidence = 0;
  EXPECT_FALSE(rule("agreement"));
  policy_.samples = 3;
  EXPECT_TRUE(decides("agreement", Action::kSample, "fast"));
  a.agreement = 0.5;
  EXPECT_FALSE(rule("agreement"));
}

TEST_F(Rules, EscalatesOncePerEvidence) {
  add(0.1, 0.9);
  EXPECT_FALSE(rule("escalate")) << "no deep model";
  state_.has_deep = true;
  EXPECT_TRUE(decides("escalate", Action::kEscalate, "deep"));
  add(0.1, 0.9, "deep");
  EXPECT_FALSE(rule("escalate"));
  state_.n_evidence = 2;
  EXPECT_TRUE(rule("escalate")) << "with passages it is another question";
  state_.attempts.back().error = "broken";
  EXPECT_FALSE(rule("escalate")) << "a model that fails is not asked again";
}

TEST_F(Rules, AbortedAndFailedAnswersEscalateWhateverThePromise) {
  state_.has_deep = true;
  Attempt& a = add(0.5, 0.9);
  a.p_deep = 0.5;
  EXPECT_FALSE(rule("escalate"));
  a.aborted = true;
  EXPECT_TRUE(rule("escalate"));
  a.aborted = false;
  a.checks.push_back({.name = "arithmetic", .verdict = Verdict::kFail, .explanation = "x"});
  EXPECT_NE(rule("escalate")->reason.find("check failed"), std::string::npos);
}

TEST_F(Rules, OutsideNothingIsKnown) {
  state_.has_deep = state_.has_verifier = true;
  policy_.verify = "always";
  Attempt& a = add(0.99, 0.9);
  EXPECT_FALSE(rule("outside"));
  EXPECT_TRUE(rule("verifier_due"));
  a.gate = Gate::Verdict{.inside = true, .score = 3, .why = ""};
  EXPECT_FALSE(rule("outside"));
  a.gate = Gate::Verdict{.inside = false, .score = -3, .why = "likeness -3.00 is below 1.00"};
  a.p.reset();
  EXPECT_TRUE(decides("outside", Action::kAbstain));
  EXPECT_NE(rule("outside")->reason.find("likeness -3.00"), std::string::npos);
  EXPECT_NE(rule("abstain")->reason.find("no confidence"), std::string::npos);
  EXPECT_FALSE(rule("verifier_due")) << "nobody is asked about it";
  EXPECT_FALSE(rule("confident"));
  a.checks.push_back({.name = "arithmetic", .verdict = Verdict::kPass, .explanation = "x"});
  EXPECT_TRUE(rule("proven")) << "what was recomputed needs no confidence";
}

TEST_F(Rules, BestSoFarThenFailedThenAbstain) {
  add(0.95, 0.9);
  add(0.2, 0.9, "deep");
  const auto best = rule("best_so_far");
  ASSERT_TRUE(best);
  EXPECT_EQ(best->attempt, 0);
  EXPECT_FALSE(rule("failed"));
  state_.attempts[0].p = 0.8;
  EXPECT_FALSE(rule("best_so_far"));
  EXPECT_TRUE(decides("abstain", Action::kAbstain));
  EXPECT_NE(rule("abstain")->reason.find("0.200"), std::string::npos);
  for (Attempt& a : state_.attempts) a.error = "model 'x' broke";
  EXPECT_TRUE(decides("failed", Action::kFail));
  EXPECT_NE(rule("failed")->reason.find("model 'x' broke"), std::string::npos);
}

TEST_F(Rules, CallsTheFastModelIsSureOfAreGivenElseTheDeepOnes) {
  const auto sure = [&](Attempt& a, double probability) {
    a.features.assign(all_features().size(), 0.0);
    const auto names = feature_names();
    const auto at = std::find(names.begin(), names.end(), "mean_logprob") - names.begin();
    a.features[static_cast<size_t>(at)] = std::log(probability);
  };
  sure(add(0.1, 0.9), 0.9);
  EXPECT_FALSE(rule("tools")) << "a request without tools";
  request_.tools = Json::parse(R"([{"type": "function", "function": {"name": "f"}}])");
  EXPECT_TRUE(decides("tools", Action::kCommit));
  state_.has_deep = true;
  EXPECT_TRUE(decides("tools", Action::kCommit));
  sure(state_.attempts.back(), 0.3);
  EXPECT_TRUE(decides("tools", Action::kEscalate, "deep"));
  state_.attempts.back().checks.push_back({.name = "tool_call", .verdict = Verdict::kFail, .explanation = "no"});
  EXPECT_FALSE(rule("tools")) << "a failed check is the other rules'";
  state_.attempts.back().checks.clear();
  sure(add(0.1, 0.9, "deep"), 0.2);
  EXPECT_TRUE(decides("tools", Action::kCommit)) << "there is nobody else to ask";
  EXPECT_EQ(rule("tools")->attempt, 1);
  state_.attempts.back().checks.push_back({.name = "tool_call", .verdict = Verdict::kFail, .explanation = "no"});
  EXPECT_EQ(rule("tools")->attempt, 0) << "the one that no check failed";
}

}  // namespace
}  // namespace kedge::router
