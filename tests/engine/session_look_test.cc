// Sessions that are looked at while they work: what is seen belongs together, and nothing changes by it.
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "kedge/kedge.hpp"

namespace kedge::engine {
namespace {

using Json = nlohmann::json;

kedge::Model open() {
  auto m = kedge::Model::open(std::string(KEDGE_TEST_DATA) + "/golden/olmoe/model.gguf");
  EXPECT_TRUE(m.ok()) << m.error().message;
  return *std::move(m);
}

std::vector<int32_t> tokens(int n, int seed) {
  std::vector<int32_t> t;
  for (int i = 0; i < n; ++i) t.push_back((i * 37 + i * i * seed) % 250 + 3);
  return t;
}

struct Worker {
  kedge::Session session;
  int seed;
  std::vector<int32_t> written = {};
  std::string kv = {};
  std::string log = {};

  void work() {
    for (int round = 0; round < 3; ++round) {
      kedge::GenerateOptions o{.max_tokens = 30, .ignore_eos = true, .settings = {{"temperature", 0.0}}};
      const auto g = session.generate(tokens(40, seed + round), o);
      ASSERT_TRUE(g.ok()) << g.error().message;
      written.insert(written.end(), g->tokens().begin(), g->tokens().end());
    }
    kv = *session.kv();
    log = *session.kv_log();
  }
};

std::vector<Worker> workers(kedge::Engine& engine) {
  std::vector<Worker> all;
  const char* kv[] = {R"({"budget": 64, "policy": "anchor", "cold": "ram"})", R"({"budget": 96, "policy": "h2o"})", ""};
  for (int i = 0; i < 3; ++i) {
    auto session = engine.session({.n_ctx = 400, .kv = kv[i]});
    EXPECT_TRUE(session.ok()) << session.error().message;
    all.push_back({*std::move(session), i + 1});
  }
  return all;
}

Json state_of(const Worker& w) {
  Json kv = Json::parse(w.kv);
  kv.erase("pages");           // of the engine
  kv.erase("metadata_bytes");  // capacities
  return kv;
}

// One sight of a session: of one moment.
void check(const kedge::Session& session, uint64_t& last_past) {
  const auto kv_text = session.kv();
  ASSERT_TRUE(kv_text.ok()) << kv_text.error().message;
  const Json kv = Json::parse(*kv_text);
  uint64_t at = 0;
  for (const Json& run : kv["tokens"]) {
    EXPECT_EQ(run["first"], at);
    at = run["last"];
  }
  EXPECT_EQ(at, kv["n_past"]) << "every token is something";
  EXPECT_GE(kv["n_past"].get<uint64_t>(), last_past);
  last_past = kv["n_past"];
  const auto experts_text = session.experts();
  ASSERT_TRUE(experts_text.ok()) << experts_text.error().message;
  const Json experts = Json::parse(*experts_text);
  EXPECT_GE(experts["layers"][0]["n_tokens"].get<uint64_t>(), last_past) << "a later step";
  for (const Json& layer : experts["layers"]) {
    uint64_t chosen = 0;
    for (const Json& n : layer["tokens"]) chosen += n.get<uint64_t>();
    EXPECT_EQ(chosen, layer["n_tokens"].get<uint64_t>() * experts["n_used"].get<uint64_t>());
  }
  const auto log = session.kv_log();
  ASSERT_TRUE(log.ok());
  uint64_t number = 0;
  for (const Json& entry : Json::parse(*log)) {
    EXPECT_TRUE(number == 0 || entry["number"] == number + 1);
    number = entry["number"];
  }
}

TEST(SessionLook, WhileTheyWorkNothingChangesByIt) {
  const kedge::Model model = open();
  auto alone_engine = kedge::Engine::create(model, {.n_threads = 1});
  ASSERT_TRUE(alone_engine.ok());
  std::vector<Worker> alone = workers(*alone_engine);
  for (Worker& w : alone) w.work();

  auto engine = kedge::Engine::create(model, {.n_threads = 2, .step_tokens = 16});
  ASSERT_TRUE(engine.ok());
  std::vector<Worker> watched = workers(*engine);
  std::atomic<int> working{static_cast<int>(watched.size())};
  std::atomic<int> sights{0};
  std::vector<std::thread> threads;
  for (Worker& w : watched) {
    threads.emplace_back([&] {
      w.work();
      --working;
    });
  }
  threads.emplace_back([&] {
    std::vector<uint64_t> past(watched.size(), 0);
    do {
      for (size_t i = 0; i < watched.size(); ++i) check(watched[i].session, past[i]);
      ++sights;
    } while (working > 0);
  });
  for (std::thread& t : threads) t.join();
  EXPECT_GT(sights, 0);
  for (size_t i = 0; i < watched.size(); ++i) {
    EXPECT_EQ(alone[i].written, watched[i].written) << i;
    EXPECT_EQ(state_of(alone[i]), state_of(watched[i])) << i;
    EXPECT_EQ(alone[i].log, watched[i].log) << i;
  }
}

// From the callbacks of the very call: what was chosen so far is there, or will be with the next step.
TEST(SessionLook, FromItsOwnCallbacks) {
  const kedge::Model model = open();
  auto session = kedge::Session::create(model, {.n_ctx = 128, .n_threads = 1});
  ASSERT_TRUE(session.ok());
  std::vector<uint64_t> seen;
  kedge::GenerateOptions o{.max_tokens = 5, .ignore_eos = true};
  o.on_token = [&](int32_t, std::span<const kedge_logprob>) {
    const auto kv = session->kv();
    EXPECT_TRUE(kv.ok()) << kv.error().message;
    if (kv.ok()) seen.push_back(Json::parse(*kv)["n_past"]);
    return true;
  };
  ASSERT_TRUE(session->generate(tokens(10, 1), o).ok());
  EXPECT_EQ(seen, (std::vector<uint64_t>{10, 11, 12, 13, 14}));
}

}  // namespace
}  // namespace kedge::engine
