// The policy changed while the router runs: checked, recorded, and in force for the questions that come later.
#include <map>
#include <thread>

#include "tests/router/router_harness.h"

namespace kedge::router {
namespace {

class Configure : public RouterFixture {
 protected:
  Json audited(Json changes = Json::object()) const {
    changes["audit"] = folder_ + "/audit.db";
    return changes;
  }
  static Json change(Router& router, const Json& patch) {
    auto done = router.configure(patch.dump());
    EXPECT_TRUE(done.ok()) << done.error().message;
    return done.ok() ? *std::move(done) : Json();
  }
};

TEST_F(Configure, LaterQuestionsObeyAndRecordsSayWhichPolicy) {
  say(kScout, {.p = 0.7, .tau = 0.5});
  const auto router = open(audited());
  const std::string before = router->config()->sha256;
  const Json request = {{"question", kFact}, {"model", "fast"}};
  EXPECT_EQ(ask(*router, request)["outcome"], "answered");

  const Json done = change(*router, {{"policy", {{"min_confidence", 0.9}}}, {"by", "ada"}});
  EXPECT_EQ(done["before"], before);
  EXPECT_NE(done["policy"], before);
  EXPECT_EQ(done["settings"]["min_confidence"], 0.9);
  EXPECT_EQ(done["settings"]["alpha"], 0.25) << "what is not named stays";
  EXPECT_EQ(done["record"]["seq"], 2);
  EXPECT_EQ(router->state()["policy"], done["policy"]);
  EXPECT_EQ(router->state()["settings"], done["settings"]);
  const Json weak = ask(*router, request);
  EXPECT_EQ(weak["outcome"], "low_confidence");
  EXPECT_EQ(weak["threshold"], 0.9);

  const auto log = AuditLog::open(folder_ + "/audit.db", {.read_only = true});
  ASSERT_TRUE(log.ok());
  const Json changed = *(*log)->show("2");
  EXPECT_EQ(changed["record"]["outcome"], "configured");
  EXPECT_EQ(changed["record"]["kedge"]["policy_before"], before);
  EXPECT_EQ(changed["record"]["kedge"]["policy"], done["policy"]);
  EXPECT_EQ(changed["record"]["kedge"]["change"], (Json{{"policy", {{"min_confidence", 0.9}}}, {"by", "ada"}}));
  const auto kept = (*log)->artifact(changed["artifacts"][0]["sha256"].get<std::string>());
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(kept->kind, "configuration");
  EXPECT_EQ(kept->bytes, router->config()->json);
  EXPECT_EQ((*(*log)->show("1"))["record"]["kedge"]["policy"], before);
  EXPECT_EQ((*(*log)->show("3"))["record"]["kedge"]["policy"], done["policy"]);

  for (const char* record : {"1", "3"}) {
    const auto again = router->replay(record);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_TRUE((*again)["same"].get<bool>()) << record;
    EXPECT_EQ((*again)["replayed"], 1);
  }
  expect_refused(router->replay("2"), ErrorCode::kInvalidArgument, {"a change of the configuration"});
  const auto verified = verify_audit_log(folder_ + "/audit.db", {});
  ASSERT_TRUE(verified.ok());
  EXPECT_TRUE(verified->ok());
}

TEST_F(Configure, TheSameConfigurationIsTheSameHash) {
  const auto router = open();
  const std::string first = router->config()->sha256;
  const Json there = change(*router, {{"policy", {{"samples", 2}}}});
  EXPECT_EQ(there["record"], nullptr) << "no log, no record";
  const Json back = change(*router, {{"policy", {{"samples", nullptr}}}});
  EXPECT_EQ(back["policy"], first);
  EXPECT_EQ(back["settings"], policy_json(router->config()->policy));
  const auto file = open({{"policy", {{"samples", 2}}}});
  EXPECT_EQ(file->config()->sha256, there["policy"]) << "as if the file had said so";
}

TEST_F(Configure, WhatIsWrongChangesNothing) {
  const auto router = open(audited());
  const Json before = router->state();
  const auto refused = [&](const Json& patch, ErrorCode code, const Texts& words) {
    expect_refused(router->configure(patch.dump()), code, words);
    EXPECT_EQ(router->state()["policy"], before["policy"]);
    EXPECT_EQ(breaker_of(*router, "scout"), Json({{"state", "closed"},
                                                  {"failures", 0},
                                                  {"attempts", 0},
                                                  {"open_for_s", 0.0},
                                                  {"weak_share", 0.0},
                                                  {"alert", false}}));
  };
  const auto invalid = ErrorCode::kInvalidArgument;
  refused({{"policy", {{"alpha", 2}}}, {"breakers", {{"fast", "open"}}}}, invalid, {"policy.alpha", "2", "0.9999"});
  refused({{"policy", {{"mood", 1}}}}, invalid, {"unknown member 'mood'"});
  refused({{"policy", 5}}, invalid, {"change.policy"});
  refused({{"policy", {{"verify", "often"}}}}, invalid, {"'often'"});
  refused({{"models", Json::object()}}, invalid, {"unknown member 'models'"});
  refused(Json::object(), invalid, {"at least one"});
  refused({{"breakers", {{"fast", "ajar"}}}}, invalid, {"breakers.fast", "\"ajar\""});
  refused({{"breakers", {{"fast", "open"}, {"nobody", "open"}}}}, ErrorCode::kNotFound, {"breakers.nobody"});
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/none"));
  const auto verified = verify_audit_log(folder_ + "/audit.db", {});
  ASSERT_TRUE(verified.ok());
  EXPECT_EQ(verified->records, 0);
}

TEST_F(Configure, ABreakerIsHeldOpenAndLetGo) {
  say(kSage, {.p = 0.97, .tau = 0.9});
  const auto router = open(audited());
  change(*router, {{"breakers", {{"fast", "open"}}}});
  EXPECT_EQ(breaker_of(*router, "scout")["state"], "held");
  const Json deep = ask(*router, {{"question", kFact}});
  EXPECT_EQ(purposes(deep), Texts{"deep generate"});
  EXPECT_EQ(breaker_of(*router, "scout")["state"], "held") << "no probe closes it";
  expect_refused(try_ask(*router, {{"question", kFact}, {"model", "fast"}}), ErrorCode::kIo,
                 {"breaker of model 'scout' is open", "held"});
  change(*router, {{"breakers", {{"scout", "closed"}}}});
  EXPECT_EQ(breaker_of(*router, "scout")["state"], "closed");
  EXPECT_EQ(purposes(ask(*router, {{"question", kFact}}))[0], "fast generate");
  change(*router, {{"breakers", {{"fast", "open"}}}});  // now that it is loaded
  EXPECT_EQ(ask(*router, {{"question", kFact}, {"model", "fast"}})["outcome"], "failed");
}

// Whatever policy an answer names, it is the one it was made under.
TEST_F(Configure, WhileQuestionsAreAnswered) {
  say(kScout, {.p = 0.7, .tau = 0.5});
  const auto router = open(audited());
  std::map<std::string, double> floors = {{router->config()->sha256, 0.0}};
  std::vector<std::thread> threads;
  std::atomic<bool> over{false};
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 6; ++i) ask(*router, {{"question", kFact}, {"model", "fast"}, {"max_tokens", 4}});
      over = true;
    });
  }
  do {
    for (const double floor : {0.6, 0.9}) {
      const Json done = change(*router, {{"policy", {{"min_confidence", floor}}}});
      floors[done["policy"]] = floor;
    }
  } while (!over);
  for (std::thread& t : threads) t.join();
  const auto log = AuditLog::open(folder_ + "/audit.db", {.read_only = true});
  ASSERT_TRUE(log.ok());
  const auto listed = (*log)->list({.limit = kMaxListed});
  ASSERT_TRUE(listed.ok());
  int n = 0;
  for (const Json& entry : *listed) {
    const Json record = (*(*log)->show(entry["id"].get<std::string>()))["record"];
    if (record["outcome"] == "configured") continue;
    ++n;
    const double floor = floors.at(record["kedge"]["policy"]);
    EXPECT_EQ(record["kedge"]["attempts"][0]["threshold"], std::max(0.5, floor));
  }
  EXPECT_EQ(n, 12);
}

}  // namespace
}  // namespace kedge::router
