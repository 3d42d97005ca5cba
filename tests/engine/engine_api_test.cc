// Engines through the public interface: limits, the queue, deadlines, cancelling, checkpoints, processes.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "kedge/kedge.hpp"

namespace kedge::engine {
namespace {

using Json = nlohmann::json;

kedge::Model open(const std::string& name = "golden/quant-llama/model-Q8_0.gguf") {
  auto m = kedge::Model::open(std::string(KEDGE_TEST_DATA) + "/" + name);
  EXPECT_TRUE(m.ok()) << m.error().message;
  return *std::move(m);
}
kedge::Engine engine_of(const kedge::Model& model, kedge::EngineOptions options = {}) {
  options.n_threads = 1;
  auto e = kedge::Engine::create(model, options);
  EXPECT_TRUE(e.ok()) << e.error().message;
  return *std::move(e);
}
kedge::Session session_in(kedge::Engine& engine, int n_ctx = 256) {
  auto s = engine.session({.n_ctx = n_ctx});
  EXPECT_TRUE(s.ok()) << s.error().message;
  return *std::move(s);
}
Json stats(const kedge::Engine& engine) {
  const auto text = engine.stats();
  EXPECT_TRUE(text.ok());
  return Json::parse(*text);
}
std::vector<int32_t> tokens(int n, int seed = 1) {
  std::vector<int32_t> t;
  for (int i = 0; i < n; ++i) t.push_back((i * 37 + i * i * seed) % 256 + 3);
  return t;
}
// Bytes of an engine with room for so many tokens, of sessions that need not fit all at once.
uint64_t memory_for(const kedge::Model& model, int n_tokens, int sequences) {
  const Json all = stats(engine_of(model, {.sequences = sequences}));
  const uint64_t tables =
      static_cast<uint64_t>(all["pages"]["total"]) * 32 / static_cast<uint64_t>(model.info().n_ctx_train * sequences);
  const uint64_t fixed = static_cast<uint64_t>(all["memory"]["buffers"]) +
                         static_cast<uint64_t>(sequences) * static_cast<uint64_t>(model.info().n_vocab) * sizeof(float);
  return fixed +
         tables * static_cast<uint64_t>((n_tokens + 31) / 32) * static_cast<uint64_t>(all["pages"]["bytes_each"]);
}

TEST(EngineApi, OptionsThatAreWrongAreNamed) {
  const kedge::Model model = open();
  const auto error = [&](const kedge::EngineOptions& o) {
    auto e = kedge::Engine::create(model, o);
    EXPECT_FALSE(e.ok());
    return e.ok() ? std::string() : e.error().message;
  };
  EXPECT_EQ("sequences in a step is 0, must be 1 to 4096", error({.sequences = 0}));
  EXPECT_EQ("prefill chunk is 0, must be 1 to 65536", error({.step_tokens = 0}));
  EXPECT_EQ("waiting calls is -1, must be 0 to 1048576", error({.waiting = -1}));
  EXPECT_EQ("default_tokens is 0, must be 1 to 16777216", error({.default_tokens = 0}));
  EXPECT_NE(std::string::npos, error({.n_threads = -3}).find("thread count is -3"));
  const std::string small = error({.memory = 1000});
  EXPECT_NE(std::string::npos, small.find("an engine of 1000 bytes")) << small;
  kedge::Engine engine = engine_of(model);
  const auto refused = [&](const kedge::SessionOptions& o, const std::string& what) {
    auto s = engine.session(o);
    ASSERT_FALSE(s.ok());
    EXPECT_EQ(KEDGE_INVALID_ARGUMENT, s.error().code);
    EXPECT_EQ(0u, s.error().message.find(what)) << s.error().message;
  };
  refused({.n_threads = 3}, "n_threads belongs to the engine");
  refused({.chunk = 7}, "chunk belongs to the engine");
  refused({.kv_type = KEDGE_KV_Q8_0}, "kv_type belongs to the engine");
  refused({.n_ctx = -1}, "context length is -1");
}

TEST(EngineApi, MemoryIsWhatTheLimitSays) {
  const kedge::Model model = open();
  for (const int contexts : {1, 3, 7}) {
    const uint64_t limit = memory_for(model, contexts * 96, 4);
    const Json s = stats(engine_of(model, {.sequences = 4, .memory = limit}));
    const uint64_t planned = static_cast<uint64_t>(s["memory"]["pages"]) +
                             static_cast<uint64_t>(s["memory"]["buffers"]) +
                             4 * static_cast<uint64_t>(model.info().n_vocab) * sizeof(float);
    EXPECT_LE(planned, limit);
    EXPECT_GE(planned, limit - limit / 33);
  }
}

TEST(EngineApi, WhatCanNeverFitIsAnErrorAtOnce) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model, {.sequences = 2, .memory = memory_for(model, 96, 2)});
  kedge::Session s = session_in(engine);
  const auto refused = s.generate(tokens(90), {.max_tokens = 20});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(KEDGE_CAPACITY, refused.error().code);
  EXPECT_NE(std::string::npos, refused.error().message.find("can never fit")) << refused.error().message;
  EXPECT_EQ(0u, s.tokens().size());
  EXPECT_TRUE(s.generate(tokens(90), {.max_tokens = 5, .ignore_eos = true}).ok());
  EXPECT_EQ(1, stats(engine)["refused"]);
}

// Holds a generation in its first token until it is let go.
class Held {
 public:
  Held(kedge::Session& session, int prompt, int max_tokens)
      : thread_([&session, prompt, max_tokens, this] {
          kedge::GenerateOptions o{.max_tokens = max_tokens, .ignore_eos = true};
          o.on_token = [this](int32_t, std::span<const kedge_logprob>) {
            std::unique_lock lock(mutex_);
            held_ = true;
            changed_.notify_all();
            changed_.wait(lock, [this] { return free_; });
            return true;
          };
          EXPECT_TRUE(session.generate(tokens(prompt), o).ok());
        }) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return held_; });
  }
  ~Held() {
    let_go();
    thread_.join();
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    free_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  bool free_ = false;
  std::thread thread_;
};

void wait_until(const std::function<bool()>& ready) {
  while (!ready()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST(EngineApi, TheQueueIsBoundedAndServed) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model, {.sequences = 4, .memory = memory_for(model, 96, 4), .waiting = 1});
  kedge::Session first = session_in(engine);
  kedge::Session second = session_in(engine);
  kedge::Session third = session_in(engine);
  std::thread waiter;
  {
    Held held(first, 60, 20);
    waiter = std::thread([&] { EXPECT_TRUE(second.generate(tokens(60), {.max_tokens = 20}).ok()); });
    wait_until([&] { return stats(engine)["waiting"] == 1; });
    const auto refused = third.generate(tokens(10), {.max_tokens = 1});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(KEDGE_CAPACITY, refused.error().code);
    EXPECT_NE(std::string::npos, refused.error().message.find("1 calls are waiting")) << refused.error().message;
  }
  waiter.join();
  const Json s = stats(engine);
  EXPECT_EQ(0, s["waiting"]);
  EXPECT_EQ(2, s["admitted"]);
  EXPECT_EQ(1, s["refused"]);
  EXPECT_EQ(0, s["pages"]["reserved"]);
}

TEST(EngineApi, WaitingEndsByCancellingAndByTheDeadline) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model, {.sequences = 4, .memory = memory_for(model, 96, 4)});
  kedge::Session first = session_in(engine);
  kedge::Session second = session_in(engine);
  Held held(first, 60, 20);
  const auto late = second.generate(tokens(60), {.max_tokens = 20, .deadline_ms = 30});
  ASSERT_TRUE(late.ok()) << late.error().message;
  EXPECT_EQ(KEDGE_FINISH_DEADLINE, late->finish_reason());
  EXPECT_EQ(0u, second.tokens().size());
  std::thread cancel([&] {
    wait_until([&] { return stats(engine)["waiting"] == 1; });
    second.set_cancel(true);
  });
  const auto cancelled = second.generate(tokens(60), {.max_tokens = 20});
  cancel.join();
  ASSERT_TRUE(cancelled.ok()) << cancelled.error().message;
  EXPECT_EQ(KEDGE_FINISH_CANCELLED, cancelled->finish_reason());
  const Json s = stats(engine);
  EXPECT_EQ(1, s["expired"]);
  EXPECT_EQ(1, s["cancelled"]["waiting"]);
  EXPECT_EQ(0, s["waiting"]);
}

TEST(EngineApi, ADeadlineEndsAGenerationWithWhatItHas) {
  const kedge::Model model = open();
  auto alone = kedge::Session::create(model, {.n_ctx = 256, .n_threads = 1});
  ASSERT_TRUE(alone.ok());
  kedge::GenerateOptions o{.max_tokens = 200, .ignore_eos = true, .deadline_ms = 50};
  int n = 0;
  o.on_token = [&](int32_t, std::span<const kedge_logprob>) {
    if (++n == 3) std::this_thread::sleep_for(std::chrono::milliseconds(60));
    return true;
  };
  const auto done = alone->generate(tokens(5), o);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(KEDGE_FINISH_DEADLINE, done->finish_reason());
  EXPECT_LE(done->tokens().size(), 3u);
  EXPECT_FALSE(alone->generate({}, {.deadline_ms = -1}).ok());
}

TEST(EngineApi, IdleSessionsGiveTheirPagesToAFile) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model, {.sequences = 4, .memory = memory_for(model, 96, 4)});
  kedge::Session first = session_in(engine);
  kedge::Session second = session_in(engine);
  ASSERT_TRUE(first.eval(tokens(80)).ok());
  ASSERT_TRUE(second.eval(tokens(80, 2)).ok());
  EXPECT_EQ(1, stats(engine)["swapped_out"]);
  ASSERT_TRUE(first.eval(tokens(5, 3)).ok());  // comes back, the other goes
  EXPECT_EQ(2, stats(engine)["paused"]);
  EXPECT_EQ(1, stats(engine)["resumed"]);
  auto alone = kedge::Session::create(model, {.n_ctx = 256, .n_threads = 1});
  ASSERT_TRUE(alone.ok());
  ASSERT_TRUE(alone->eval(tokens(80)).ok());
  ASSERT_TRUE(alone->eval(tokens(5, 3)).ok());
  ASSERT_EQ(alone->logits().size(), first.logits().size());
  EXPECT_TRUE(std::equal(alone->logits().begin(), alone->logits().end(), first.logits().begin()));
  kedge::Engine nowhere =
      engine_of(model, {.sequences = 4, .memory = memory_for(model, 96, 4), .spill = "/nowhere/at/all"});
  kedge::Session a = session_in(nowhere);
  kedge::Session b = session_in(nowhere);
  ASSERT_TRUE(a.eval(tokens(80)).ok());
  const auto stuck = b.eval(tokens(80));
  ASSERT_FALSE(stuck.ok());
  EXPECT_EQ(KEDGE_CAPACITY, stuck.error().code);
}

TEST(EngineApi, RowsAreHandedOverOnTheCallersThread) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model, {.step_tokens = 64});
  kedge::Session s = session_in(engine);
  auto alone = kedge::Session::create(model, {.n_ctx = 256, .n_threads = 1});
  ASSERT_TRUE(alone.ok());
  const auto rows = [](kedge::Session& session) {
    std::vector<float> all;
    const auto self = std::this_thread::get_id();
    EXPECT_TRUE(session
                    .eval_all(tokens(150),
                              [&](int, std::span<const float> row) {
                                EXPECT_EQ(self, std::this_thread::get_id());
                                all.insert(all.end(), row.begin(), row.end());
                                return true;
                              })
                    .ok());
    return all;
  };
  EXPECT_EQ(rows(*alone), rows(s));
}

TEST(EngineApi, CheckpointsBelongToTheirSession) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model);
  kedge::Session a = session_in(engine);
  kedge::Session b = session_in(engine);
  ASSERT_TRUE(a.eval(tokens(40)).ok());
  const std::vector<float> before(a.logits().begin(), a.logits().end());
  auto point = a.checkpoint();
  ASSERT_TRUE(point.ok()) << point.error().message;
  ASSERT_TRUE(a.eval(tokens(30, 2)).ok());
  EXPECT_EQ(KEDGE_INVALID_ARGUMENT, b.rollback(*point).error().code);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(a.rollback(*point).ok());
    EXPECT_EQ(40u, a.tokens().size());
    EXPECT_EQ(before, std::vector<float>(a.logits().begin(), a.logits().end()));
    ASSERT_TRUE(a.eval(tokens(3, 5)).ok());
  }
}

size_t threads_now() {
  const std::filesystem::directory_iterator all("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

TEST(EngineApi, SessionsBringNoThreadsAndLittleMemory) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model, {.sequences = 8});
  const size_t before = threads_now();
  std::vector<kedge::Session> sessions;
  for (int i = 0; i < 200; ++i) {
    sessions.push_back(session_in(engine, 2048));
    ASSERT_TRUE(sessions.back().eval(tokens(10)).ok());
  }
  EXPECT_EQ(before, threads_now());
  // Beside the pages: what is known about ten tokens, not about a context.
  for (const kedge::Session& s : sessions) {
    EXPECT_LT(static_cast<size_t>(Json::parse(*s.kv())["metadata_bytes"]), 8192u);
  }
}

TEST(EngineApi, TheEngineIsItsProcesss) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model);
  kedge::Session s = session_in(engine);
  ASSERT_TRUE(s.eval(tokens(10)).ok());
  const pid_t child = ::fork();
  if (child == 0) {
    const auto refused = s.eval(tokens(3));
    ::_exit(!refused.ok() && refused.error().code == KEDGE_UNSUPPORTED ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(child, ::waitpid(child, &status, 0));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(s.eval(tokens(3)).ok());
}

TEST(EngineApi, PrefixCachesLiveInItsArena) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model, {.sequences = 4, .memory = memory_for(model, 256, 4)});
  auto cache = kedge::PrefixCache::create(engine, {.n_ctx = 256});
  ASSERT_TRUE(cache.ok()) << cache.error().message;
  {
    auto first = cache->acquire(tokens(100));
    ASSERT_TRUE(first.ok()) << first.error().message;
    ASSERT_TRUE(first->session.eval(tokens(100)).ok());
    ASSERT_TRUE(cache->store(first->session).ok());
  }
  EXPECT_GT(static_cast<int>(stats(engine)["pages"]["in_use"]), 0);
  auto again = cache->acquire(tokens(100));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(100u, again->n_reused);
  kedge::Session big = session_in(engine);  // its pages are worth more than an entry
  ASSERT_TRUE(big.eval(tokens(200, 4)).ok());
}

struct SavedSession : testing::Test {
  ~SavedSession() override { std::filesystem::remove(path); }
  const std::string path =
      (std::filesystem::temp_directory_path() / ("engine-session-" + std::to_string(getpid()))).string();
};

TEST_F(SavedSession, GoesOnInAnEngineWithTheSameBits) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model, {.sequences = 4});
  const auto text = tokens(150);
  std::vector<float> expected;
  {
    kedge::Engine first = engine_of(model, {.sequences = 4, .memory = memory_for(model, 256, 4)});
    kedge::Session saved = session_in(first);
    ASSERT_TRUE(saved.eval(std::span(text).first(100)).ok());
    kedge::Session other = session_in(first);
    ASSERT_TRUE(other.eval(tokens(200, 3)).ok());
    ASSERT_EQ(1, stats(first)["swapped_out"]) << "the pages of the idle one were needed";
    ASSERT_TRUE(saved.save(path).ok()) << "one without its pages too";
    ASSERT_TRUE(saved.eval(std::span(text).subspan(100)).ok());
    expected.assign(saved.logits().begin(), saved.logits().end());
  }
  auto loaded = engine.load_session(path);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(loaded->info().n_past, 100);
  auto cache = kedge::PrefixCache::create(engine, {.n_ctx = 256});
  ASSERT_TRUE(cache.ok());
  ASSERT_TRUE(cache->store(*loaded).ok());
  const auto goes_on = [&](kedge::Session& session) {
    ASSERT_EQ(session.info().n_past, 100);
    ASSERT_TRUE(session.eval(std::span(text).subspan(100)).ok());
    EXPECT_EQ(std::vector<float>(session.logits().begin(), session.logits().end()), expected);
  };
  goes_on(*loaded);
  auto acquired = cache->acquire(text);
  ASSERT_TRUE(acquired.ok());
  EXPECT_EQ(acquired->n_reused, 100u) << "requests that begin so have it from the cache";
  goes_on(acquired->session);
}

TEST_F(SavedSession, AnEngineTakesNoneThatDoesNotFit) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model, {.sequences = 4, .memory = memory_for(model, 96, 4)});
  {
    kedge::Engine roomy = engine_of(model);
    kedge::Session session = session_in(roomy);
    ASSERT_TRUE(session.eval(tokens(200)).ok());
    ASSERT_TRUE(session.save(path).ok());
    kedge::Engine q8 = engine_of(model, {.kv_type = KEDGE_KV_Q8_0});
    const auto wrong = q8.load_session(path);
    ASSERT_FALSE(wrong.ok());
    EXPECT_EQ(wrong.error().code, KEDGE_INVALID_ARGUMENT);
    EXPECT_NE(wrong.error().message.find("type of cache"), std::string::npos) << wrong.error().message;
  }
  kedge::Session idle = session_in(engine);
  ASSERT_TRUE(idle.eval(tokens(60)).ok());
  const auto large = engine.load_session(path);
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().code, KEDGE_CAPACITY) << large.error().message;
  ASSERT_TRUE(idle.eval(tokens(20)).ok()) << "the others go on";
  EXPECT_EQ(engine.load_session("/nowhere").error().code, KEDGE_NOT_FOUND);

  ASSERT_TRUE(idle.save(path).ok());
  const auto copy = engine.load_session(path);  // 80 tokens of 96: who is idle gives way
  ASSERT_TRUE(copy.ok()) << copy.error().message;
  EXPECT_EQ(1, stats(engine)["swapped_out"]);
}

// For who watches whether steps come to an end.
TEST(EngineApi, SaysWhatItIsDoing) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model, {.sequences = 2});
  EXPECT_TRUE(stats(engine)["busy"].is_null());
  std::atomic<bool> seen{false};
  std::thread work([&] {
    for (int i = 0; i < 5000 && !seen; ++i) {
      kedge::Session session = session_in(engine);
      EXPECT_TRUE(session.generate(tokens(200), {.max_tokens = 1, .key = "mine"}).ok());
    }
  });
  Json busy;
  for (int i = 0; i < 1'000'000 && !seen; ++i) {
    busy = stats(engine)["busy"];
    seen = busy.is_object() && busy["step"].is_number() && busy["reading"] == 1;
    std::this_thread::yield();
  }
  seen = true;
  work.join();
  EXPECT_GE(busy["step"], 1) << busy;
  EXPECT_EQ(busy["decoding"], 0) << busy;
  EXPECT_EQ(busy["keys"], Json({"mine"})) << busy;
  EXPECT_TRUE(stats(engine)["busy"].is_null());
}

TEST(EngineApi, HistogramsCountWhatTheCountersCount) {
  const kedge::Model model = open();
  kedge::Engine engine = engine_of(model, {.step_tokens = 32});
  for (int i = 0; i < 3; ++i) {
    kedge::Session s = session_in(engine);
    ASSERT_TRUE(s.generate(tokens(70), {.max_tokens = 9, .ignore_eos = true}).ok());
  }
  const Json all = stats(engine);
  const Json h = all["histograms"];
  const auto n = [](const Json& histogram) {
    uint64_t sum = 0;
    for (const Json& count : histogram["counts"]) sum += count.get<uint64_t>();
    return sum;
  };
  for (const Json* one : {&h["step_ms"], &h["queue_ms"], &h["step_rows"]["decode"], &h["step_rows"]["prefill"]}) {
    ASSERT_EQ((*one)["counts"].size(), (*one)["le"].size() + 1);
  }
  EXPECT_EQ(n(h["step_ms"]), all["steps"]);
  EXPECT_EQ(n(h["queue_ms"]), all["admitted"]);
  EXPECT_EQ(h["step_rows"]["decode"]["sum"], all["rows"]["decode"]);
  EXPECT_EQ(h["step_rows"]["prefill"]["sum"], all["rows"]["prefill"]);
  EXPECT_EQ(n(h["step_rows"]["decode"]), 3u * 8) << "every token but the last is evaluated, one a step";
  EXPECT_EQ(h["step_rows"]["decode"]["counts"][0], 3u * 8) << "at most one row each";
  EXPECT_EQ(n(h["step_rows"]["prefill"]), 3u * 3) << "32, 32 and 6 tokens";
}

}  // namespace
}  // namespace kedge::engine
