// Every kind of answer leaves a record, and every record gives its bits again.
#include <set>

#include <sqlite3.h>

#include "tests/router/router_harness.h"

namespace kedge::router {
namespace {

class Recorded : public RouterFixture {
 protected:
  Json audited(Json changes = Json::object()) const {
    changes["audit"] = folder_ + "/audit.db";
    return changes;
  }
  void calibrate_all() {
    say(kScout, {.p = 0.4, .tau = 0.9, .p_deep = 0.9});
    say(kScout, {.p = 0.98, .tau = 0.9, .task = "sources"});
    say(kSage, {.p = 0.97, .tau = 0.9});
  }
  static std::vector<Json> mixed_requests() {
    const Json evidence = {{{"id", "K-10014"}, {"text", kPassage}, {"source", "corpus.jsonl:1"}}};
    std::vector<Json> list;
    for (int seed = 0; seed < 4; ++seed) {
      list.push_back({{"question", "Hello"}, {"temperature", 1.1}, {"seed", seed}, {"max_tokens", 12}});
      list.push_back(
          {{"question", kFact}, {"temperature", 0.7}, {"seed", seed}, {"model", "deep"}, {"max_tokens", 12}});
    }
    for (const char* q : {kFact, "Name the river of Birkenchester.", "Hello"}) {
      list.push_back({{"question", q}});                                         // given up, escalated
      list.push_back({{"question", q}, {"model", "fast"}, {"max_tokens", 16}});  // explicit, withheld
      list.push_back({{"question", q}, {"evidence", evidence}});                 // grounded
    }
    list.push_back({{"question", "What is 12 * 12?"}, {"conversation", "c-1"}});
    list.push_back({{"question", "What is 417 + 268?"}, {"allow_special", true}, {"model", "fast"}});
    list.push_back({{"messages",
                     {{{"role", "system"}, {"content", "Be brief."}},
                      {{"role", "user"}, {"content", "Hello"}},
                      {{"role", "assistant"}, {"content", "Hello!"}},
                      {{"role", "user"}, {"content", kFact}}}}});
    return list;
  }
};

// A draw that went on from a fork of another attempt's reading is generated again from nothing.
TEST_F(Recorded, DrawsHaveTheBitsOfAttemptsOnTheirOwn) {
  calibrate_all();
  const auto router = open(audited({{"policy", {{"samples", 4}, {"sample_temperature", 8}, {"max_attempts", 5}}}}));
  // The model is sure of neither.
  for (const char* question : {"Tell me a story about lighthouses and the sea.", "Qwer asdf zxcv tyui?"}) {
    const Json request = {{"question", question}, {"model", "fast"}, {"seed", 5}, {"max_tokens", 12}};
    const Json a = ask(*router, request);
    ASSERT_EQ(a["attempts"].size(), 5u);
    std::set<std::string> hashes;
    for (const Json& attempt : a["attempts"]) hashes.insert(attempt["logits_hash"].get<std::string>());
    EXPECT_GT(hashes.size(), 2u) << "draws differ";
    const auto replay = router->replay("last");
    ASSERT_TRUE(replay.ok()) << replay.error().message;
    EXPECT_EQ((*replay)["replayed"], 5);
    EXPECT_TRUE((*replay)["same"].get<bool>()) << replay->dump();
  }
}

// Models write bytes; one that is stopped leaves characters that are not whole.
TEST_F(Recorded, AnswersInEveryScriptHaveRecords) {
  const auto router = open(audited());
  size_t n = 0;
  const char* questions[] = {"日本の首都はどこですか",  // Japanese
                             "Какая столица Японии?",   // Russian
                             "ما هي عاصمة اليابان؟",    // Arabic
                             "🙂🙂🙂?"};
  for (const char* question : questions) {
    for (const int tokens : {1, 2, 3, 5, 8, 13}) {
      for (const double temperature : {0.0, 1.5}) {
        const Json a = ask(
            *router, {{"question", question}, {"max_tokens", tokens}, {"temperature", temperature}, {"seed", tokens}});
        ASSERT_EQ(a["record"]["seq"], ++n) << question;
      }
    }
  }
}

TEST_F(Recorded, EveryRecordReplaysOnOneAndTwoThreads) {
  calibrate_all();
  size_t n = 0;
  std::set<std::string> kinds;
  {
    const auto router = open(audited());
    for (const Json& request : mixed_requests()) {
      const Json a = ask(*router, request);
      ASSERT_EQ(a["record"]["seq"], ++n);
      for (const Json& t : a["attempts"])
        kinds.insert(t["purpose"].get<std::string>() + " " + t["finish_reason"].get<std::string>());
    }
  }
  ASSERT_GE(n, 20u);
  for (const char* kind : {"generate aborted", "generate stop_token", "escalate stop_token", "conservative aborted"}) {
    EXPECT_EQ(kinds.count(kind), 1u) << kind;
  }
  const auto verified = verify_audit_log(folder_ + "/audit.db", {});
  ASSERT_TRUE(verified.ok());
  EXPECT_TRUE(verified->ok());
  EXPECT_EQ(verified->records, static_cast<int64_t>(n));
  int n_derived = 0;
  for (const int threads : {1, 2}) {
    const auto router = open(audited({{"threads", threads}}));
    for (size_t i = 1; i <= n; ++i) {
      const auto again = router->replay(std::to_string(i));
      ASSERT_TRUE(again.ok()) << again.error().message;
      EXPECT_TRUE((*again)["same"].get<bool>()) << threads << " threads: " << again->dump(1);
      const bool derived = (*again)["derivation"].is_object();
      EXPECT_EQ((*again)["replayed"].get<size_t>() == 0, derived);
      n_derived += derived ? 1 : 0;
    }
  }
  EXPECT_EQ(n_derived, 2);
}

TEST_F(Recorded, WhatNoModelWasAskedForIsWorkedOutAgain) {
  {
    const auto router = open(audited());
    ask(*router, {{"question", "What is 12 * 12?"}});
  }
  const auto log = AuditLog::open(folder_ + "/audit.db", {.read_only = true});
  ASSERT_TRUE(log.ok()) << log.error().message;
  const Json shown = *(*log)->show("last");
  EXPECT_EQ(shown["record"]["model"], "none");
  EXPECT_EQ(shown["record"]["kedge"]["source"], "deterministic");
  EXPECT_EQ(shown["record"]["kedge"]["derivation"]["kind"], "arithmetic");
  EXPECT_EQ(shown["record"]["kedge"]["derivation"]["steps"], "12 * 12 = 144");
  EXPECT_EQ(shown["record"]["kedge"]["path"].back()["state"], "derive");
  // The models are not needed.
  const auto router = open(audited({{"models", {{"scout", {{"path", folder_ + "/none.gguf"}}}}}}));
  const auto again = router->replay("last");
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_TRUE((*again)["same"].get<bool>());
  EXPECT_TRUE((*again)["derivation"]["same"].get<bool>());
  EXPECT_EQ((*again)["replayed"], 0);
}

TEST_F(Recorded, ARecordSaysEverything) {
  calibrate_all();
  const auto router = open(audited());
  const Json evidence = {{{"id", "K-10014"}, {"text", kPassage}, {"source", "corpus.jsonl:1"}}};
  const Json a = ask(*router, {{"question", kFact}, {"evidence", evidence}, {"seed", 5}, {"conversation", "c-9"}});
  const auto log = AuditLog::open(folder_ + "/audit.db", {.read_only = true});
  ASSERT_TRUE(log.ok()) << log.error().message;
  const auto shown = (*log)->show("last");
  ASSERT_TRUE(shown.ok());
  const Json& r = (*shown)["record"];
  EXPECT_EQ(r["model"], "scout");
  EXPECT_EQ(r["outcome"], "answered");
  EXPECT_EQ(r["gen_ai.request.seed"], 5);
  EXPECT_EQ(r["gen_ai.conversation.id"], "c-9");
  EXPECT_EQ(r["gen_ai.retrieval.documents"][0]["id"], "K-10014");
  const Json& k = r["kedge"];
  for (const char* member : {"build", "isa", "numerics", "policy", "task", "reason", "path", "cpu_s"}) {
    ASSERT_TRUE(k.contains(member)) << member;
    EXPECT_FALSE(k[member].is_null()) << member;
  }
  EXPECT_EQ(k["policy"], router->config()->sha256);
  EXPECT_EQ(k["evidence"][0]["id"], "K-10014");
  EXPECT_EQ(k["evidence"][0]["sha256"].get<std::string>().rfind("sha256:", 0), 0u);
  ASSERT_EQ(k["attempts"].size(), 1u);
  const Json& t = k["attempts"][0];
  EXPECT_EQ(t["model_digest"], digest_of(kScout));
  EXPECT_EQ(t["tokenizer_fp"], (*router->pool().get("fast"))->tokenizer_fingerprint());
  EXPECT_NEAR(t["p"].get<double>(), 0.98, 1e-9);
  EXPECT_EQ(t["calibrator_id"], calibration_that({.p = 0.98, .tau = 0.9, .task = "sources"}, digest_of(kScout)).id);
  EXPECT_EQ(t["threshold"], 0.9);
  EXPECT_EQ(t["action"], "commit");
  EXPECT_EQ(t["seed"], 5);
  EXPECT_GT(t["features"].size(), 10u);
  EXPECT_GT(t["cpu_s"].get<double>(), 0);
  EXPECT_FALSE(t["checks"].empty());
  EXPECT_TRUE(t["kv"].is_object());
  EXPECT_EQ(t["logits_hash"].get<std::string>().size(), std::string("xxh3-128:").size() + 32);
  EXPECT_EQ(t["prompt_hash"].get<std::string>().rfind("sha256:", 0), 0u);
}

TEST_F(Recorded, WithheldDraftIsKeptForTheAuditor) {
  say(kScout, {.p = 0.4, .tau = 0.9});
  const auto router = open(audited());
  const Json a = ask(*router, {{"question", kFact}, {"model", "fast"}});
  ASSERT_TRUE(a["withheld"].get<bool>());
  const auto log = AuditLog::open(folder_ + "/audit.db", {.read_only = true});
  const Json shown = *(*log)->show("last");
  bool draft = false;
  for (const Json& e : shown["artifacts"]) {
    EXPECT_NE(e["kind"], kResponseKind);
    if (e["kind"] == "draft") draft = (*log)->artifact(e["sha256"].get<std::string>())->bytes == "flax";
  }
  EXPECT_TRUE(draft);
  EXPECT_FALSE(shown["record"]["kedge"]["attempts"][0]["tokens"].empty());
}

TEST_F(Recorded, ChangedRequestIsNotReplayed) {
  calibrate_all();
  { ask(*open(audited()), {{"question", kFact}, {"model", "fast"}}); }
  ASSERT_TRUE(open(audited())->replay("last").ok());
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ + "/audit.db").c_str(), &db), SQLITE_OK);
  // Without its rule for a moment, so that nothing but the bytes gives it away.
  std::string rule;
  const auto keep = [](void* out, int, char** values, char**) {
    return *static_cast<std::string*>(out) = values[0], 0;
  };
  sqlite3_exec(db, "SELECT sql FROM sqlite_master WHERE name = 'artifacts_no_update'", keep, &rule, nullptr);
  const std::string change =
      "DROP TRIGGER artifacts_no_update; UPDATE artifacts SET bytes = CAST(replace(CAST(bytes AS TEXT), 'product', "
      "'prodict') AS BLOB) WHERE kind = 'request'; " +
      rule;
  ASSERT_EQ(sqlite3_exec(db, change.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
  sqlite3_close(db);
  expect_refused(open(audited())->replay("last"), ErrorCode::kCorrupt, {"artifact"});
  const auto verified = verify_audit_log(folder_ + "/audit.db", {});
  ASSERT_TRUE(verified.ok());
  EXPECT_FALSE(verified->ok());
}

TEST_F(Recorded, AnotherModelFileIsNoticed) {
  calibrate_all();
  { ask(*open(audited()), {{"question", kFact}, {"model", "fast"}}); }
  std::string bytes = read_all(kScout);
  bytes[bytes.size() - 1000] = static_cast<char>(bytes[bytes.size() - 1000] ^ 1);
  write_all(folder_ + "/other.gguf", bytes);
  const auto other = open(audited({{"models", {{"scout", {{"path", folder_ + "/other.gguf"}}}}}}));
  expect_refused(other->replay("last"), ErrorCode::kNotFound, {digest_of(kScout), "sage"});
  const auto missing_deep = open(audited({{"models", {{"a", {{"path", folder_ + "/none.gguf"}}}}}}));
  EXPECT_TRUE(missing_deep->replay("last").ok()) << "a broken model of another name does not matter";
  expect_refused(other->replay("77"), ErrorCode::kNotFound, {"77"});
  expect_refused(open()->replay("last"), ErrorCode::kInvalidArgument, {"no audit log"});
}

TEST_F(Recorded, NoRecordWhereNoneIsWanted) {
  const auto router = open(audited());
  EXPECT_FALSE(ask(*router, {{"question", "What is 2 + 2?"}, {"record", false}}).contains("record"));
  EXPECT_EQ(ask(*router, {{"question", "What is 2 + 2?"}})["record"]["seq"], 1);
}

}  // namespace
}  // namespace kedge::router
