// The circuit breaker on a clock of the test's, and models that are broken in earnest.
#include "router/breaker.h"

#include "tests/router/router_harness.h"

namespace kedge::router {
namespace {

class BreakerClock : public ::testing::Test {
 protected:
  std::string state() const { return breaker_.state()["state"]; }
  void record(int n, bool worked) {
    for (int i = 0; i < n; ++i) breaker_.record(worked);
  }
  void fail_probe() {
    EXPECT_TRUE(breaker_.admit());
    breaker_.record(false);
  }
  double now_ = 1000;
  Breaker breaker_{BreakerOptions{}, [this] { return now_; }};
};

TEST_F(BreakerClock, FiveFailuresInAMinuteOpenIt) {
  record(4, false);
  EXPECT_EQ(state(), "closed");
  EXPECT_TRUE(breaker_.admit());
  breaker_.record(false);
  EXPECT_EQ(state(), "open");
  EXPECT_TRUE(breaker_.is_open());
  EXPECT_FALSE(breaker_.admit());
  EXPECT_EQ(breaker_.state()["open_for_s"], 30.0);
}

TEST_F(BreakerClock, HeldItIsOpenUntilItIsLetGo) {
  breaker_.hold();
  EXPECT_EQ(state(), "held");
  EXPECT_TRUE(breaker_.is_open());
  record(20, true);
  now_ += 10000;
  EXPECT_FALSE(breaker_.admit()) << "no time is over";
  record(5, false);
  breaker_.let_go();
  EXPECT_EQ(state(), "closed");
  EXPECT_EQ(breaker_.state()["failures"], 0);
  record(5, false);
  EXPECT_EQ(breaker_.state()["open_for_s"], 30.0) << "as at first";
}

TEST_F(BreakerClock, OldFailuresAreForgotten) {
  record(4, false);
  now_ += 60.5;
  record(4, false);
  EXPECT_EQ(state(), "closed");
  EXPECT_EQ(breaker_.state()["failures"], 4);
  now_ += 59;
  breaker_.record(false);
  EXPECT_EQ(state(), "open");
}

TEST_F(BreakerClock, HalfOfAtLeastTenOpenIt) {
  BreakerOptions options;
  options.failures = 1000;
  Breaker b(options, [this] { return now_; });
  for (int i = 0; i < 4; ++i) b.record(false);
  for (int i = 0; i < 5; ++i) b.record(true);
  EXPECT_FALSE(b.is_open()) << "nine attempts are too few to say";
  b.record(false);
  EXPECT_TRUE(b.is_open());
}

TEST_F(BreakerClock, OneProbeDecides) {
  record(5, false);
  now_ += 29.9;
  EXPECT_FALSE(breaker_.admit());
  now_ += 0.2;
  EXPECT_EQ(state(), "half_open");
  EXPECT_FALSE(breaker_.is_open());
  EXPECT_TRUE(breaker_.admit());
  EXPECT_FALSE(breaker_.admit()) << "one at a time";
  EXPECT_TRUE(breaker_.is_open());
  breaker_.record(true);
  EXPECT_EQ(state(), "closed");
  EXPECT_EQ(breaker_.state()["attempts"], 0) << "a fresh start";
  record(4, false);
  EXPECT_EQ(state(), "closed");
}

TEST_F(BreakerClock, FailedProbesDoubleTheWaitUpToTheLongest) {
  record(5, false);
  for (const double wait : {30.0, 60.0, 120.0, 240.0, 300.0, 300.0}) {
    EXPECT_EQ(breaker_.state()["open_for_s"], wait);
    now_ += wait - 0.5;
    EXPECT_FALSE(breaker_.admit());
    now_ += 0.5;
    fail_probe();
  }
  now_ += 300;
  EXPECT_TRUE(breaker_.admit());
  breaker_.record(true);
  record(5, false);
  EXPECT_EQ(breaker_.state()["open_for_s"], 30.0) << "after a success the wait begins anew";
}

TEST_F(BreakerClock, WhatBeganBeforeItOpenedDoesNotCount) {
  record(5, false);
  breaker_.record(true);
  breaker_.record(false);
  EXPECT_EQ(state(), "open");
  EXPECT_EQ(breaker_.state()["open_for_s"], 30.0);
}

TEST_F(BreakerClock, WeakAnswersAlertAndNeverOpen) {
  for (int i = 0; i < 199; ++i) breaker_.record_confidence(i % 3 != 0);
  EXPECT_FALSE(breaker_.state()["alert"].get<bool>()) << "too few to say";
  breaker_.record_confidence(true);
  EXPECT_TRUE(breaker_.state()["alert"].get<bool>()) << "a third is more than three times a tenth";
  EXPECT_EQ(state(), "closed");
  for (int i = 0; i < 30; ++i) breaker_.record_confidence(true);
  EXPECT_FALSE(breaker_.state()["alert"].get<bool>());
}

class BrokenModels : public RouterFixture {
 protected:
  // The first bytes of a model: its table is there, its tensors are not.
  std::string truncated() {
    write_all(folder_ + "/half.gguf", read_all(kSage).substr(0, size_t{4} << 20));
    return folder_ + "/half.gguf";
  }
};

TEST_F(BrokenModels, BrokenDeepModelLeavesTheFastOnesAnswer) {
  say(kScout, {.p = 0.6, .tau = 0.5, .p_deep = 0.9});
  for (const std::string& path : {folder_ + "/none.gguf", truncated()}) {
    const auto router = open({{"models", {{"sage", {{"path", path}}}}}});
    const Json a = ask(*router, {{"question", kFact}});
    EXPECT_EQ(a["outcome"], "answered") << a["reason"];
    EXPECT_EQ(a["answer"], "flax");
    ASSERT_EQ(purposes(a), (Texts{"fast generate", "deep escalate"})) << "asked once, not again and again";
    EXPECT_NE(a["attempts"][1]["error"].get<std::string>().find(path), std::string::npos) << a["attempts"][1]["error"];
    EXPECT_EQ(a["attempts"][1]["finish_reason"], "error");
  }
}

TEST_F(BrokenModels, BrokenFastModelSendsQuestionsToTheDeepOne) {
  say(kSage, {.p = 0.97, .tau = 0.5});
  for (const std::string& path : {folder_ + "/none.gguf", truncated()}) {
    const auto router = open({{"models", {{"scout", {{"path", path}}}}}});
    const Json a = ask(*router, {{"question", kFact}});
    EXPECT_EQ(a["outcome"], "answered") << a["reason"];
    EXPECT_EQ(a["alias"], "deep");
    EXPECT_EQ(purposes(a), (Texts{"fast generate", "deep escalate"}));
    EXPECT_NE(a["attempts"][0]["error"].get<std::string>().find(path), std::string::npos);
  }
}

TEST_F(BrokenModels, NothingThatWorksIsAFailure) {
  const auto router =
      open({{"models", {{"scout", {{"path", folder_ + "/a.gguf"}}}, {"sage", {{"path", truncated()}}}}}});
  const Json a = ask(*router, {{"question", kFact}});
  EXPECT_EQ(a["outcome"], "failed");
  EXPECT_TRUE(a["answer"].is_null());
  EXPECT_EQ(a["attempts"].size(), 2u);
  EXPECT_NE(a["reason"].get<std::string>().find("half.gguf"), std::string::npos) << a["reason"];
}

TEST_F(BrokenModels, OpenBreakerIsLeftAlone) {
  say(kScout, {.p = 0.98, .tau = 0.5});
  say(kSage, {.p = 0.97, .tau = 0.5});
  const auto router = open();
  const auto fast = *router->pool().get("fast");
  for (int i = 0; i < 5; ++i) fast->health().breaker.record(false);
  const Json a = ask(*router, {{"question", kFact}});
  EXPECT_EQ(purposes(a), Texts{"deep generate"});
  EXPECT_EQ(a["path"][1]["rule"], "breaker");
  EXPECT_EQ(breaker_of(*router, "scout")["state"], "open");
  const Json named = ask(*router, {{"question", kFact}, {"model", "fast"}});
  EXPECT_EQ(named["outcome"], "failed");
  EXPECT_NE(named["reason"].get<std::string>().find("breaker of model 'scout' is open"), std::string::npos);
  // Both open: the question fails and says why.
  const auto deep = *router->pool().get("deep");
  for (int i = 0; i < 5; ++i) deep->health().breaker.record(false);
  const Json none = ask(*router, {{"question", kFact}});
  EXPECT_EQ(none["outcome"], "failed");
  EXPECT_NE(none["reason"].get<std::string>().find("breaker"), std::string::npos);
}

TEST_F(BrokenModels, FileThatCannotBeLoadedIsNotTriedForEver) {
  say(kScout, {.p = 0.2, .tau = 0.9, .p_deep = 0.9});
  const auto router = open({{"models", {{"sage", {{"path", folder_ + "/missing.gguf"}}}}}});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(*router, {{"question", kFact}})["attempts"].size(), 2u) << i;
  EXPECT_EQ(breaker_of(*router, "sage")["state"], "open");
  const Json after = ask(*router, {{"question", kFact}});
  EXPECT_EQ(after["attempts"].size(), 1u) << "the deep model is not asked";
  const auto by_name = try_ask(*router, {{"question", kFact}, {"model", "deep"}});
  ASSERT_FALSE(by_name.ok());
  EXPECT_NE(by_name.error().message.find("breaker"), std::string::npos) << by_name.error().message;
}

TEST_F(BrokenModels, CallersMistakesDoNotCount) {
  const auto router = open({{"models", {{"scout", {{"n_ctx", 64}}}}}});
  std::string text;
  for (int i = 0; i < 60; ++i) text += "many words ";
  for (int i = 0; i < 6; ++i) {
    expect_refused(try_ask(*router, {{"question", text}, {"model", "fast"}}), ErrorCode::kCapacity, {"64"});
  }
  EXPECT_EQ(breaker_of(*router, "scout")["failures"], 0);
  EXPECT_EQ(breaker_of(*router, "scout")["state"], "closed");
}

}  // namespace
}  // namespace kedge::router
