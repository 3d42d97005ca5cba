// Questions to the embedded models, with calibrators that decide how the answers look: which model is asked, what is
// given, what is withheld.
#include <thread>

#include "tests/router/router_harness.h"

namespace kedge::router {
namespace {

class RouterAsk : public RouterFixture {};

TEST_F(RouterAsk, ConfidentAnswerOfTheFastModelIsTheAnswer) {
  say(kScout, {.p = 0.98, .tau = 0.9});
  const auto router = open();
  const Json a = ask(*router, {{"question", kFact}});
  EXPECT_EQ(a["outcome"], "answered");
  EXPECT_EQ(a["answer"], "flax");
  EXPECT_EQ(a["alias"], "fast");
  EXPECT_EQ(purposes(a), Texts{"fast generate"});
  EXPECT_NEAR(a["confidence"].get<double>(), 0.98, 1e-9);
  EXPECT_EQ(a["threshold"], 0.9);
  EXPECT_EQ(router->pool().loaded("deep"), nullptr) << "nobody needed it";
}

TEST_F(RouterAsk, WeakAnswerGoesToTheDeepModel) {
  say(kScout, {.p = 0.4, .tau = 0.9, .p_deep = 0.8});
  say(kSage, {.p = 0.97, .tau = 0.9});
  const auto router = open({{"policy", {{"abort_after", 0}}}});
  const Json a = ask(*router, {{"question", kFact}});
  EXPECT_EQ(a["outcome"], "answered");
  EXPECT_EQ(a["alias"], "deep");
  EXPECT_EQ(purposes(a), (Texts{"fast generate", "deep escalate"}));
  EXPECT_EQ(a["attempts"][0]["action"], "escalate");
  EXPECT_NE(a["attempts"][0]["reason"].get<std::string>().find("+0.400"), std::string::npos);
  EXPECT_EQ(router->state()["escalations"], 1);
}

TEST_F(RouterAsk, EscalationHasToPromiseAGain) {
  say(kScout, {.p = 0.4, .tau = 0.9, .p_deep = 0.42});
  const auto router = open({{"policy", {{"abort_after", 0}}}});
  const Json a = ask(*router, {{"question", kFact}});
  EXPECT_EQ(a["outcome"], "low_confidence");
  EXPECT_EQ(purposes(a), Texts{"fast generate"});
}

TEST_F(RouterAsk, EarlierGoodAnswerStandsWhenTheDeepOneIsWeak) {
  say(kScout, {.p = 0.6, .tau = 0.5, .p_deep = 0.9});
  say(kSage, {.p = 0.3, .tau = 0.9});
  const auto router = open();
  const Json a = ask(*router, {{"question", kFact}});
  EXPECT_EQ(a["outcome"], "answered");
  EXPECT_EQ(a["alias"], "fast") << "the one that reached its threshold";
  EXPECT_EQ(a["attempts"].size(), 2u);
}

TEST_F(RouterAsk, NamedModelIsTheOnlyOneAsked) {
  say(kScout, {.p = 0.1, .tau = 0.9});
  say(kSage, {.p = 0.1, .tau = 0.9});
  const auto router = open();
  for (const std::string name : {"fast", "scout", "deep", "sage"}) {
    const Json a = ask(*router, {{"question", kFact}, {"model", name}});
    EXPECT_EQ(a["outcome"], "low_confidence") << "weak, and not helped";
    EXPECT_EQ(purposes(a), Texts{name + " generate"});
    EXPECT_EQ(a["model"], name == "fast" || name == "scout" ? "scout" : "sage");
    EXPECT_EQ(a["attempts"][0]["finish_reason"], "stop_token") << "never given up: there is no other";
  }
  const auto none = try_ask(*router, {{"question", kFact}, {"model", "gpt"}});
  expect_refused(none, ErrorCode::kNotFound, {"no model 'gpt'", "scout", "sage"});
  const auto broken = open({{"models", {{"sage", {{"path", folder_ + "/none.gguf"}}}}}});
  expect_refused(try_ask(*broken, {{"question", kFact}, {"model", "deep"}}), ErrorCode::kNotFound,
                 {"model 'sage'", "none.gguf"});
  EXPECT_EQ(broken->pool().loaded("fast"), nullptr);
}

TEST_F(RouterAsk, WeakDrawIsAskedAgainWithoutChance) {
  say(kScout, {.p = 0.1, .tau = 0.9});
  const auto router = open();
  const Json a = ask(*router, {{"question", kFact}, {"model", "fast"}, {"temperature", 0.9}, {"seed", 7}});
  ASSERT_EQ(purposes(a), (Texts{"fast generate", "fast conservative"}));
  const Json& first = a["attempts"][0];
  const Json& again = a["attempts"][1];
  EXPECT_EQ(first["temperature"], 0.9);
  EXPECT_EQ(again["temperature"], 0.0);
  EXPECT_EQ(first["prompt_hash"], again["prompt_hash"]);
  EXPECT_EQ(first["seed"], 7);
  EXPECT_EQ(again["seed"], 7);
  // 0.2 counts as conservative already.
  const Json low = ask(*router, {{"question", kFact}, {"model", "fast"}, {"temperature", 0.2}});
  EXPECT_EQ(purposes(low), Texts{"fast generate"});
}

TEST_F(RouterAsk, HopelessAnswerIsGivenUpOnlyWhereAnotherModelCanBeAsked) {
  say(kScout, {.p = 0.2, .tau = 0.9, .p_deep = 0.9});
  say(kSage, {.p = 0.97, .tau = 0.9});
  const Json question = {{"messages", {{{"role", "user"}, {"content", "Hello"}}}}};
  const auto aborts = [&](const Json& changes, const Json& more = Json::object()) {
    const auto router = open(changes);
    Json request = question;
    request.merge_patch(more);
    const Json a = ask(*router, request);
    EXPECT_NE(a["outcome"], "failed") << a["reason"];
    return a["attempts"][0]["finish_reason"] == "aborted";
  };
  EXPECT_TRUE(aborts(Json::object()));
  EXPECT_FALSE(aborts({{"policy", {{"abort_after", 0}}}}));
  EXPECT_FALSE(aborts({{"policy", {{"escalate", false}}}}));
  EXPECT_FALSE(aborts({{"aliases", {{"deep", nullptr}}}}));
  EXPECT_FALSE(aborts({{"aliases", {{"deep", "scout"}}}}));
  EXPECT_FALSE(aborts(Json::object(), {{"max_attempts", 1}})) << "no attempt is left for the deep model";
  EXPECT_FALSE(aborts(Json::object(), {{"model", "fast"}}));
  EXPECT_FALSE(aborts(Json::object(), {{"temperature", 0.9}, {"max_tokens", 8}}))
      << "the conservative attempt comes first";

  const auto router = open();
  const Json a = ask(*router, question);
  EXPECT_EQ(a["attempts"][0]["tokens"].size(), 8u) << "abort_after";
  EXPECT_EQ(a["outcome"], "answered");
  EXPECT_EQ(a["alias"], "deep");
}

TEST_F(RouterAsk, WithheldDraftIsNowhereInTheAnswer) {
  say(kScout, {.p = 0.2, .tau = 0.9, .p_deep = 0.2});
  const auto router = open();
  std::string events;
  const AskHooks hooks{.on_event = [&](const Json& e) { events += e.dump() + "\n"; }};
  for (const Json& request : {Json{{"question", "Which product is Marismouth known for producing?"}},
                              Json{{"question", kFact}, {"pattern", "[0-9]+"}}}) {
    auto a = try_ask(*router, request, hooks);
    ASSERT_TRUE(a.ok());
    EXPECT_EQ((*a)["outcome"], "low_confidence");
    EXPECT_TRUE((*a)["withheld"].get<bool>());
    EXPECT_TRUE((*a)["answer"].is_null());
    EXPECT_EQ(a->dump().find("flax"), std::string::npos) << a->dump(1);
    for (const Json& attempt : (*a)["attempts"]) EXPECT_TRUE(attempt["tokens"].is_null());
    EXPECT_EQ(events.find("flax"), std::string::npos) << events;
    Json given = request;
    given["abstain"] = false;
    const Json draft = ask(*router, given);
    EXPECT_EQ(draft["outcome"], "low_confidence");
    EXPECT_EQ(draft["answer"], "flax");
    EXPECT_FALSE(draft["withheld"].get<bool>());
    EXPECT_FALSE(draft["attempts"][0]["tokens"].empty());
  }
}

TEST_F(RouterAsk, WhatCanBeWorkedOutIsAskedOfNoModel) {
  const auto router =
      open({{"models", {{"scout", {{"path", folder_ + "/none.gguf"}}}, {"sage", {{"path", folder_ + "/none.gguf"}}}}}});
  for (const auto& [question, answer] :
       std::map<std::string, std::string>{{"What is 417 + 268?", "685"},
                                          {"Please tell me: how much is 15% of 80", "12"},
                                          {"Sort: pear, apple", "apple, pear"},
                                          {"What day of the week was 4 July 1776?", "Thursday"}}) {
    const Json a = ask(*router, {{"question", question}, {"deadline_s", 0.0}});
    EXPECT_EQ(a["outcome"], "answered") << question;
    EXPECT_EQ(a["answer"], answer);
    EXPECT_EQ(a["source"], "deterministic");
    EXPECT_EQ(a["derivation"]["answer"], answer);
    EXPECT_FALSE(a["derivation"]["steps"].get<std::string>().empty());
    EXPECT_TRUE(a["model"].is_null());
    EXPECT_TRUE(a["confidence"].is_null());
    EXPECT_TRUE(a["attempts"].empty());
    EXPECT_EQ(a["cpu_s"], 0.0);
  }
  EXPECT_EQ(ask(*router, {{"question", "Sort: pear, apple"}})["task"], "transform");
  const Json obeys = ask(*router, {{"question", "What is 417 + 268?"}, {"schema", {{"type", "integer"}}}});
  EXPECT_EQ(obeys["answer"], "685");
}

TEST_F(RouterAsk, TasksOfQuestionsInTheirWordings) {
  const auto task = [](const std::string& question) {
    const auto request = parse_ask_request(Json({{"question", question}}).dump());
    return task_of(*request, derive(question), false);
  };
  EXPECT_EQ(task("Who wrote Faust: Goethe or Schiller?"), "question");
  EXPECT_EQ(task("Please tell me: Who wrote Faust?"), "question");
  EXPECT_EQ(task("I saw it? Who wrote Faust?"), "question");
  EXPECT_EQ(task("Extract the id: shipment Arnmarsh was logged as MEMO-68818 on March."), "transform");
  EXPECT_EQ(task("could you please translate \"good morning\" into German"), "transform");
  EXPECT_EQ(task("How many words are in this list? copper, butter"), "transform");
  EXPECT_EQ(task("How many sides has a hexagon?"), "question");
  EXPECT_EQ(task("Please tell me: What is 6 + 5?"), "arithmetic");
}

TEST_F(RouterAsk, ArithmeticOfAModelIsProvenOrWithheld) {
  const auto router = open();  // no calibrator: nothing else could be accepted
  const Json a = ask(*router, {{"question", "What is 417 + 268?"}, {"model", "fast"}});
  EXPECT_EQ(a["outcome"], "answered");
  EXPECT_EQ(a["answer"], "685");
  EXPECT_EQ(a["source"], "model");
  EXPECT_TRUE(a["derivation"].is_null());
  EXPECT_EQ(a["task"], "arithmetic");
  EXPECT_TRUE(a["confidence"].is_null());
  EXPECT_EQ(a["attempts"][0]["checks"][0]["verdict"], "pass");
  if (find_comparator("regex") == nullptr) GTEST_SKIP() << "this build has no comparator for patterns";
  // A pattern no answer can match fails both models' answers, right as they are.
  const Json b = ask(*router, {{"question", "What is 417 + 268?"}, {"pattern", "[a-z]+"}});
  EXPECT_EQ(b["outcome"], "low_confidence");
  EXPECT_EQ(b["attempts"].size(), 2u);
  EXPECT_NE(b["reason"].get<std::string>().find("a check failed"), std::string::npos);
}

TEST_F(RouterAsk, WithoutCalibratorNothingIsSure) {
  const auto router = open();
  const Json a = ask(*router, {{"question", kFact}});
  EXPECT_EQ(a["outcome"], "low_confidence");
  EXPECT_NE(a["reason"].get<std::string>().find("no calibrator"), std::string::npos);
  say(kScout, {.p = 0.99, .tau = kNothing});
  say(kSage, {.p = 0.99, .tau = kNothing});
  const auto strict = open();
  const Json b = ask(*strict, {{"question", kFact}});
  EXPECT_EQ(b["outcome"], "low_confidence") << "no threshold kept the error rate: nothing is accepted";
  EXPECT_TRUE(b["threshold"].is_null());
  EXPECT_TRUE(b["attempts"][0]["accepts_nothing"].get<bool>());
}

TEST_F(RouterAsk, MinConfidenceOnlyRaisesTheThreshold) {
  say(kScout, {.p = 0.98, .tau = 0.9, .p_deep = 0.98});
  const auto router = open();
  EXPECT_EQ(ask(*router, {{"question", kFact}, {"min_confidence", 0.5}})["threshold"], 0.9);
  EXPECT_EQ(ask(*router, {{"question", kFact}, {"min_confidence", 0.99}})["outcome"], "low_confidence");
  EXPECT_EQ(ask(*router, {{"question", kFact}, {"min_confidence", nullptr}})["outcome"], "answered");
}

TEST_F(RouterAsk, WrongSchemaOrPatternAsksNobody) {
  if (find_comparator("regex") == nullptr) GTEST_SKIP() << "this build has no comparator for patterns and schemas";
  const auto router = open();
  expect_refused(try_ask(*router, {{"question", kFact}, {"pattern", "(["}}), ErrorCode::kInvalidArgument, {"(["});
  expect_refused(try_ask(*router, {{"question", kFact}, {"schema", {{"type", 5}}}}), ErrorCode::kInvalidArgument,
                 {"schema"});
  EXPECT_EQ(router->pool().loaded("fast"), nullptr);
  EXPECT_EQ(router->state()["outcomes"]["failed"], 0);
}

TEST_F(RouterAsk, DeadlineThatHasPassed) {
  const auto router = open();
  const Json a = ask(*router, {{"question", kFact}, {"deadline_s", 0.000001}});
  EXPECT_EQ(a["outcome"], "failed");
  EXPECT_NE(a["reason"].get<std::string>().find("deadline"), std::string::npos) << a["reason"];
  EXPECT_TRUE(a["attempts"].empty());
  const Json null_is_none = ask(*router, {{"question", "What is 2 + 2?"}, {"deadline_s", nullptr}});
  EXPECT_EQ(null_is_none["outcome"], "answered");
}

TEST_F(RouterAsk, DeadlineThatPassesWhileTheModelReads) {
  const auto router = open({{"policy", {{"escalate", false}}}});
  ASSERT_TRUE(router->pool().get("fast").ok());
  std::string text;
  for (int i = 0; i < 550; ++i) text += "The river Thorow runs through Birkenchester. ";
  const Json a = ask(*router, {{"question", text + kFact}, {"deadline_s", 0.05}, {"model", "fast"}});
  EXPECT_EQ(a["outcome"], "failed");
  EXPECT_NE(a["reason"].get<std::string>().find("deadline"), std::string::npos) << a["reason"];
  EXPECT_EQ(breaker_of(*router, "scout")["failures"], 0) << "time is not the model's fault";
}

// Whether it passes before or while the model is loaded: nothing is generated, and the answer says what took the time.
TEST_F(RouterAsk, LoadingCountsForTheDeadline) {
  const auto router = open();
  const Json a = ask(*router, {{"question", kFact}, {"deadline_s", 0.002}, {"model", "deep"}});
  EXPECT_EQ(a["outcome"], "failed");
  EXPECT_NE(a["reason"].get<std::string>().find("deadline"), std::string::npos) << a["reason"];
  EXPECT_EQ(a["usage"]["output_tokens"], 0);
}

TEST_F(RouterAsk, MaxAttemptsEndsIt) {
  say(kScout, {.p = 0.2, .tau = 0.9});
  const auto router = open();
  const Json a = ask(*router, {{"question", kFact}, {"max_attempts", 1}});
  EXPECT_EQ(a["outcome"], "low_confidence");
  EXPECT_EQ(a["attempts"].size(), 1u);
  EXPECT_NE(a["reason"].get<std::string>().find("all 1 attempts"), std::string::npos) << a["reason"];
}

TEST_F(RouterAsk, SamplesThatAgreeAreCounted) {
  say(kScout, {.p = 0.2, .tau = 0.9});
  const auto router = open({{"policy", {{"samples", 2}, {"sample_temperature", 0.01}}}});
  const Json a = ask(*router, {{"question", kFact}, {"model", "fast"}});
  ASSERT_EQ(purposes(a), (Texts{"fast generate", "fast sample", "fast sample"})) << "draws are attempts, and kept";
  EXPECT_EQ(a["attempts"][0]["agreement"], 1.0) << "at temperature 0.01 every draw is the greedy one";
  EXPECT_NE(a["attempts"][1]["request"], a["attempts"][2]["request"]) << "each has random numbers of its own";
  EXPECT_EQ(a["outcome"], "low_confidence");
  const Json bounded = ask(*router, {{"question", kFact}, {"model", "fast"}, {"max_attempts", 2}});
  EXPECT_EQ(purposes(bounded), (Texts{"fast generate", "fast sample"}));
}

// Rows of prompts that a model's engine has computed.
uint64_t prompt_rows(const Router& router, const std::string& name) {
  const Json state = router.state();
  for (const Json& model : state["models"]) {
    if (model["name"] == name) return model["engine"]["rows"]["prefill"].get<uint64_t>();
  }
  return 0;
}

TEST_F(RouterAsk, DrawsGoOnFromOneReadingOfThePrompt) {
  say(kScout, {.p = 0.2, .tau = 0.9});
  const Json request = {{"question", kFact}, {"model", "fast"}};
  const auto plain = open();
  ask(*plain, request);
  const auto drawing = open({{"policy", {{"samples", 3}, {"sample_temperature", 1.5}}}});
  const Json a = ask(*drawing, request);
  ASSERT_EQ(a["attempts"].size(), 4u);
  const uint64_t once = prompt_rows(*plain, "scout");
  EXPECT_GT(once, 0u);
  EXPECT_GE(prompt_rows(*drawing, "scout"), once);
  EXPECT_LT(prompt_rows(*drawing, "scout"), 2 * once) << "what follows the question is read by each, the rest once";
}

TEST_F(RouterAsk, CancelledQuestionIsAnError) {
  const auto router = open();
  const std::atomic<bool> cancel{true};
  expect_refused(try_ask(*router, {{"question", kFact}}, {.on_event = {}, .cancel = &cancel}), ErrorCode::kCancelled,
                 {"cancelled"});
}

TEST_F(RouterAsk, ThreadsGetTheAnswersOneThreadGets) {
  say(kScout, {.p = 0.4, .tau = 0.9, .p_deep = 0.9, .task = "question"});
  say(kSage, {.p = 0.97, .tau = 0.9});
  const auto router = open();
  const Texts questions = {kFact, "What is 12 * 12?", "Name the river of Birkenchester.", "Hello"};
  const auto all = [&] {
    std::vector<std::string> answers;
    for (const auto& q : questions) {
      const Json a = ask(*router, {{"question", q}});
      std::string bits = a["answer"].dump();
      for (const Json& t : a["attempts"]) bits += t["logits_hash"].get<std::string>() + t["features"].dump();
      answers.push_back(bits);
    }
    return answers;
  };
  const auto alone = all();
  std::vector<std::string> left, right;
  std::thread other([&] { left = all(); });
  right = all();
  other.join();
  EXPECT_EQ(left, alone);
  EXPECT_EQ(right, alone);
}

TEST_F(RouterAsk, BlankQuestionsAskNobody) {
  const auto router = open();
  for (const char* blank : {" ", "\n", "\t \r\n"}) {
    expect_refused(try_ask(*router, {{"question", blank}}), ErrorCode::kInvalidArgument, {"empty question"});
  }
  expect_refused(try_ask(*router, {{"messages", {{{"role", "user"}, {"content", ""}}}}}), ErrorCode::kInvalidArgument,
                 {"empty question"});
}

TEST_F(RouterAsk, RequestsThatMakeNoSenseNameTheMember) {
  const auto router = open();
  const auto refused = [&](const Json& request, const Texts& words) {
    expect_refused(try_ask(*router, request), ErrorCode::kInvalidArgument, words);
  };
  refused({{"question", "a"}, {"qestion", "b"}}, {"unknown member 'qestion'", "known are"});
  refused({{"question", "a"}, {"messages", Json::array()}}, {"messages", "exactly one"});
  refused({{"question", 5}}, {"request.question", "5"});
  refused({{"question", "a"}, {"temperature", -1}}, {"request.temperature", "-1"});
  refused({{"question", "a"}, {"max_attempts", 0}}, {"request.max_attempts", "1 to 64"});
  refused({{"question", "a"}, {"abstain", "no"}}, {"request.abstain", "\"no\""});
  refused({{"question", "a"}, {"grounding", "maybe"}}, {"request.grounding", "'maybe'"});
  refused({{"question", "a"}, {"grounding", "weak"}}, {"index"});
  refused({{"question", "a"}, {"evidence", {{{"text", "x"}}}}}, {"request.evidence[0].id", "missing"});
  refused({{"messages", {{{"role", "assistant"}, {"content", "x"}}}}}, {"request.messages", "user"});
}

}  // namespace
}  // namespace kedge::router
