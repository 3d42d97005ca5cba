// A session that begins with cached tokens is the session that evaluated them: logits, metadata, evictions. And what
// must not be reused is not.
#include "engine/prefix_cache.h"

#include <cstring>
#include <fstream>
#include <thread>

#include "kedge/kedge.hpp"
#include "tests/engine/golden.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;

std::shared_ptr<const Model> tiny() {
  static const auto model = load(data_path("golden/llama/model.gguf"));
  return model;
}

// Another text for every `kind`; the tokens behind `from` only.
std::vector<int32_t> text(int n, int kind, std::vector<int32_t> begin = {}) {
  for (int i = static_cast<int>(begin.size()); i < n; ++i) begin.push_back((i * 131 + i / 7 + kind * 37 + 3) % 320);
  return begin;
}

SessionOptions options_of(int n_ctx = 256) {
  SessionOptions o;
  o.n_ctx = n_ctx;
  o.n_threads = 1;
  o.chunk = 24;
  return o;
}

std::unique_ptr<PrefixCache> make(const SessionOptions& options, const PrefixCacheOptions& cache = {},
                                  PrefixHash hash = prefix_hash) {
  auto made = PrefixCache::create(tiny(), options, cache, hash);
  EXPECT_TRUE(made.ok()) << made.error().message;
  return made.ok() ? std::move(*made) : nullptr;
}

void eval(Session& session, std::span<const int32_t> tokens) {
  if (tokens.empty()) return;
  const Status s = session.eval(tokens);
  ASSERT_TRUE(s.ok()) << s.error().message;
}

// The logits, what is hot, and why the rest is not.
void expect_same(const Session& want, const Session& got, const std::string& what) {
  ASSERT_EQ(want.n_past(), got.n_past()) << what;
  EXPECT_TRUE(std::equal(want.tokens().begin(), want.tokens().end(), got.tokens().begin())) << what;
  ASSERT_EQ(want.logits().size(), got.logits().size()) << what;
  EXPECT_EQ(0, std::memcmp(want.logits().data(), got.logits().data(), want.logits().size_bytes())) << what;
  const KvMemory& a = want.memory();
  const KvMemory& b = got.memory();
  EXPECT_EQ(a.retention(), b.retention()) << what;
  EXPECT_EQ(a.origin(), b.origin()) << what;
  EXPECT_EQ(a.counts().events, b.counts().events) << what;
  EXPECT_EQ(a.counts().evicted, b.counts().evicted) << what;
  EXPECT_EQ(a.counts().detached, b.counts().detached) << what;
  EXPECT_EQ(a.index().anchors().size(), b.index().anchors().size()) << what;
  ASSERT_EQ(a.log().entries().size(), b.log().entries().size()) << what;
  for (size_t i = 0; i < a.log().entries().size(); ++i) {
    const KvLogEntry& x = a.log().entries()[i];
    const KvLogEntry& y = b.log().entries()[i];
    EXPECT_TRUE(x.position == y.position && x.first == y.first && x.last == y.last && x.table == y.table &&
                x.why == y.why && x.tier == y.tier && x.score == y.score)
        << what << ", entry " << i;
  }
  for (int t = 0; t < a.sequence().n_tables(); ++t) {
    const auto p = a.sequence().positions(t);
    const auto q = b.sequence().positions(t);
    ASSERT_TRUE(std::equal(p.begin(), p.end(), q.begin(), q.end())) << what << ", table " << t;
    const auto x = const_cast<KvSequence&>(a.sequence()).scores(t).first(p.size());
    const auto y = const_cast<KvSequence&>(b.sequence()).scores(t).first(q.size());
    EXPECT_TRUE(std::equal(x.begin(), x.end(), y.begin())) << what << ", scores of table " << t;
  }
}

std::unique_ptr<Session> fresh(const std::vector<int32_t>& tokens, SessionOptions options,
                               std::span<const Segment> segments = {}) {
  options.chunk = 512;  // however a prompt is cut
  auto session = Session::create(tiny(), options);
  EXPECT_TRUE(session.ok());
  EXPECT_TRUE((*session)->add_segments(segments).ok() || segments.empty());
  eval(**session, tokens);
  return std::move(*session);
}

// The request through the cache; how many tokens were reused.
int request(PrefixCache& cache, const std::vector<int32_t>& tokens, const std::string& what, bool store = false,
            std::span<const Segment> segments = {}) {
  auto a = cache.acquire(tokens, segments);
  EXPECT_TRUE(a.ok()) << a.error().message;
  if (!a.ok()) return -1;
  EXPECT_EQ(a->n_reused, a->session->n_past()) << what;
  eval(*a->session, std::span(tokens).subspan(static_cast<size_t>(a->n_reused)));
  expect_same(*fresh(tokens, cache.options(), segments), *a->session, what);
  EXPECT_TRUE(!store || cache.store(*a->session).value()) << what;
  // It goes on alike, whoever shares its pages.
  auto longer = fresh(text(static_cast<int>(tokens.size()) + 40, 9, tokens), cache.options(), segments);
  eval(*a->session, longer->tokens().subspan(tokens.size()));
  expect_same(*longer, *a->session, what + ", going on");
  return a->n_reused;
}

Segment segment(int first, int last, SegmentKind kind, const char* source = "") {
  Segment s;
  s.first = first;
  s.last = last;
  s.kind = kind;
  s.pin = kind == SegmentKind::kReference ? Pin::kSoft : Pin::kNone;
  s.source_id = source;
  return s;
}

TEST(PrefixCache, ReusesWhatIsCommon) {
  for (const KvFormat type : {KvFormat::kF32, KvFormat::kF16, KvFormat::kQ8_0, KvFormat::kQ4_0}) {
    SessionOptions options = options_of();
    options.kv_type = type;
    const auto cache = make(options);
    const auto a = text(100, 0);
    EXPECT_EQ(0, request(*cache, a, "first", true));
    EXPECT_EQ(77, request(*cache, text(120, 1, {a.begin(), a.begin() + 77}), "within a block"));
    EXPECT_EQ(96, request(*cache, text(97, 1, {a.begin(), a.begin() + 96}), "at the end of a block"));
    EXPECT_EQ(5, request(*cache, text(60, 1, {a.begin(), a.begin() + 5}), "less than a block"));
    EXPECT_EQ(100, request(*cache, text(180, 2, a), "all of it", true));
    EXPECT_EQ(100, request(*cache, a, "the same: its logits are there"));
    EXPECT_EQ(49, request(*cache, {a.begin(), a.begin() + 50}, "less: one token is left"));
    EXPECT_EQ(150, request(*cache, text(190, 3, text(150, 2, a)), "the longer one"));
    EXPECT_EQ(0, request(*cache, text(60, 5), "another"));
    EXPECT_EQ(0, request(*cache, {a[0]}, "one token"));
    const PrefixCacheStats s = cache->stats();
    EXPECT_EQ(10u, s.lookups);
    EXPECT_EQ(7u, s.hits);
    EXPECT_EQ(77u + 96 + 5 + 100 + 100 + 49 + 150, s.tokens_reused);
    EXPECT_EQ(100u + 43 + 1 + 55 + 80 + 0 + 1 + 40 + 60 + 1, s.tokens_computed);
    EXPECT_EQ(2u, s.entries);
    EXPECT_EQ(0u, s.evicted_entries);
    // 180 tokens in four tables: the first three pages of 100 are shared.
    EXPECT_EQ(4u * (6 + 1), s.pages_in_use);
  }
}

TEST(PrefixCache, TheSameStateIsKeptOnce) {
  const auto cache = make(options_of());
  for (int i = 0; i < 3; ++i) request(*cache, text(70, 0), "again", true);
  EXPECT_EQ(1u, cache->stats().entries);
  EXPECT_EQ(3u, cache->stats().stored);
}

TEST(PrefixCache, WithABudgetCleanStatesAreReusedAndEvictionsAreTheSame) {
  for (const char* policy :
       {"anchor", "anchor-basic", "h2o", "snapkv", "tova", "keydiff", "random", "sinks", "recency"}) {
    SessionOptions options = options_of(400);
    options.kv.budget = 128;
    options.kv.policy = policy;
    const std::string name = policy;
    const auto cache = make(options);
    const auto a = text(120, 0);
    EXPECT_EQ(0, request(*cache, a, name, true));
    EXPECT_EQ(120, request(*cache, text(300, 1, a), name + ", all of it"));
    EXPECT_EQ(120, request(*cache, a, name + ", the same"));
    // Of h2o, attention has been counted from the first token on; of the others, from some row on.
    EXPECT_EQ(name == "h2o" ? 0 : 50, request(*cache, text(300, 2, {a.begin(), a.begin() + 50}), name + ", a part"));
    const int most = request(*cache, text(300, 2, {a.begin(), a.begin() + 119}), name + ", a large part");
    EXPECT_EQ(name == "h2o" ? 0 : name == "anchor" ? 96 : name == "snapkv" ? 64 : 119, most) << name;
  }
}

TEST(PrefixCache, LossyStatesAreReusedAsAWholeOrNotAtAll) {
  for (const char* policy : {"anchor", "h2o", "random"}) {
    for (const bool cold : {false, true}) {
      SessionOptions options = options_of(400);
      options.kv.budget = 64;
      options.kv.policy = policy;
      if (cold) options.kv.cold = KvOptions::Cold::kRam;
      const std::string name = std::string(policy) + (cold ? ", cold" : "");
      const auto cache = make(options);
      const auto a = text(150, 0);
      const std::vector<Segment> segments = {segment(0, 20, SegmentKind::kSystem), segment(20, 150, SegmentKind::kUser),
                                             segment(30, 45, SegmentKind::kReference, "DOC-83FA21")};
      EXPECT_EQ(0, request(*cache, a, name, true, segments));
      EXPECT_EQ(0, request(*cache, text(300, 1, a), name + ", no segments"));
      EXPECT_EQ(150, request(*cache, text(300, 1, a), name + ", all of it", false, segments));
      EXPECT_EQ(150, request(*cache, a, name + ", the same", false, segments));
      EXPECT_EQ(0, request(*cache, text(300, 1, {a.begin(), a.begin() + 149}), name + ", not all", false, segments));
      EXPECT_EQ(0, request(*cache, {a.begin(), a.begin() + 40}, name + ", a part", false, segments));
      std::vector<Segment> others = segments;
      others[2].source_id = "DOC-83FA22";
      EXPECT_EQ(0, request(*cache, text(300, 1, a), name + ", another source", false, others));
      others = segments;
      others[2].last = 46;
      EXPECT_EQ(0, request(*cache, text(300, 1, a), name + ", another range", false, others));
      // Beside a clean state of the same beginning.
      auto clean = cache->acquire(std::span(a).first(30), segments);
      eval(*clean->session, std::span(a).first(30));
      ASSERT_TRUE(cache->store(*clean->session).value());
      EXPECT_EQ(30,
                request(*cache, text(300, 1, {a.begin(), a.begin() + 149}), name + ", the clean one", false, segments));
      EXPECT_EQ(150, request(*cache, text(300, 1, a), name + ", the longer one", false, segments));
    }
  }
}

TEST(PrefixCache, OtherSegmentsOverCleanTokens) {
  SessionOptions options = options_of(400);
  options.kv.budget = 96;
  const auto cache = make(options);
  const auto a = text(60, 0);
  const std::vector<Segment> first = {segment(0, 60, SegmentKind::kReference, "ours"),
                                      segment(62, 90, SegmentKind::kReference, "ahead")};
  const std::vector<Segment> second = {segment(10, 20, SegmentKind::kReference, "theirs")};
  EXPECT_EQ(0, request(*cache, a, "stored", true, first));
  EXPECT_EQ(60, request(*cache, text(300, 1, a), "others", false, second));
  EXPECT_EQ(60, request(*cache, text(300, 1, a), "none"));
  EXPECT_EQ(60, request(*cache, text(300, 1, a), "the same", false, first));
  EXPECT_FALSE(cache->acquire(a, std::vector<Segment>{segment(50, 500, SegmentKind::kUser)}).ok());
}

TEST(PrefixCache, WhatNobodyCanRepeatIsDeclined) {
  SessionOptions options = options_of(400);
  options.kv.budget = 64;
  options.kv.cold = KvOptions::Cold::kRam;
  const auto cache = make(options);
  const auto a = text(150, 0);
  const auto session = [&] {
    auto acquired = cache->acquire(a);
    eval(*acquired->session, std::span(a).subspan(static_cast<size_t>(acquired->n_reused)));
    return std::move(acquired->session);
  };
  const auto truncated = session();
  ASSERT_TRUE(truncated->truncate(140).ok());
  EXPECT_FALSE(cache->store(*truncated).value());
  const auto recalled = session();
  ASSERT_TRUE(recalled->recall(20, 24).ok());
  EXPECT_FALSE(cache->store(*recalled).value());
  const auto told = session();
  ASSERT_TRUE(told->add_segments(std::vector<Segment>{segment(140, 150, SegmentKind::kReference)}).ok());
  EXPECT_FALSE(cache->store(*told).value());
  const auto empty = cache->acquire(a);
  EXPECT_FALSE(cache->store(*empty->session).value());
  EXPECT_EQ(4u, cache->stats().declined);
  EXPECT_EQ(0u, cache->stats().entries);
  // A session that is not the cache's; nor one of another cache, whatever its options.
  const auto alien = fresh(a, options);
  EXPECT_EQ(ErrorCode::kInvalidArgument, cache->store(*alien).error().code);
  EXPECT_EQ(ErrorCode::kInvalidArgument, make(options)->store(*empty->session).error().code);
  EXPECT_FALSE(cache->acquire({}).ok());
}

// A step that is given up half way is tests/memory's.
TEST(PrefixCache, ACancelledCallLeavesNothingBehind) {
  SessionOptions options = options_of(400);
  options.kv.budget = 128;
  const auto cache = make(options);
  const auto a = text(128, 0);
  auto stopped = cache->acquire(a);
  eval(*stopped->session, std::span(a).first(110));
  const std::atomic<bool> cancel{true};
  EXPECT_EQ(ErrorCode::kCancelled,
            stopped->session->eval(std::span(a).subspan(110), {.progress = {}, .cancel = &cancel}).error().code);
  EXPECT_TRUE(cache->store(*stopped->session).value());
  EXPECT_EQ(110, request(*cache, text(300, 1, {a.begin(), a.begin() + 110}), "stopped"));
}

TEST(PrefixCache, TruncatedSessionsStayClean) {
  const auto cache = make(options_of());
  auto a = cache->acquire(text(90, 0));
  eval(*a->session, text(90, 0));
  ASSERT_TRUE(a->session->truncate(40).ok());
  eval(*a->session, std::span<const int32_t>(text(90, 1)).subspan(40));
  EXPECT_TRUE(cache->store(*a->session).value());
  std::vector<int32_t> mixed(a->session->tokens().begin(), a->session->tokens().end());
  EXPECT_EQ(90, request(*cache, text(130, 2, mixed), "mixed"));
  EXPECT_EQ(40, request(*cache, text(90, 0), "the first"));
}

TEST(PrefixCache, CollisionsGiveNoWrongTokens) {
  for (const PrefixHash weak : {PrefixHash([](uint64_t, std::span<const int32_t>) -> uint64_t { return 7; }),
                                PrefixHash([](uint64_t before, std::span<const int32_t> block) -> uint64_t {
                                  return (before + static_cast<uint64_t>(block[0])) & 1;
                                })}) {
    SessionOptions options = options_of(400);
    options.kv.budget = 128;
    const auto cache = make(options, {.entries = 4}, weak);
    for (int kind = 0; kind < 6; ++kind) {
      EXPECT_EQ(0, request(*cache, text(70 + kind * 20, kind), "collisions", true));
    }
    EXPECT_EQ(4u, cache->stats().entries);
    EXPECT_EQ(0, request(*cache, text(100, 0), "dropped"));
    EXPECT_EQ(40, request(*cache, text(100, 8, text(40, 2)), "clean"));
    EXPECT_EQ(0, request(*cache, text(200, 8, text(150, 5)), "lossy, a part"));
    EXPECT_EQ(170, request(*cache, text(200, 8, text(170, 5)), "lossy, all of it"));
  }
}

TEST(PrefixCache, TheLeastRecentlyUsedGoes) {
  const auto cache = make(options_of(), {.entries = 2});
  request(*cache, text(60, 0), "a", true);
  request(*cache, text(60, 1), "b", true);
  EXPECT_EQ(60, request(*cache, text(80, 7, text(60, 0)), "a is used"));
  request(*cache, text(60, 2), "c", true);
  EXPECT_EQ(0, request(*cache, text(80, 7, text(60, 1)), "b is gone"));
  EXPECT_EQ(60, request(*cache, text(80, 7, text(60, 0)), "a is there"));
  EXPECT_EQ(1u, cache->stats().evicted_entries);
}

TEST(PrefixCache, EntriesGoWhenSessionsNeedTheirPages) {
  // Two contexts of 256 tokens: eight pages in each of four tables, twice.
  const auto cache = make(options_of(), {.entries = 100, .sessions = 1});
  EXPECT_EQ(64u, cache->stats().pages_total);
  for (int kind = 0; kind < 12; ++kind) {
    EXPECT_EQ(0, request(*cache, text(100, kind), "kind " + std::to_string(kind), true));
  }
  PrefixCacheStats s = cache->stats();
  EXPECT_GT(s.evicted_entries, 0u);
  EXPECT_GT(s.entries, 0u);
  EXPECT_EQ(12u, s.entries + s.evicted_entries);
  EXPECT_EQ(100, request(*cache, text(120, 20, text(100, 11)), "the latest is there"));
  // The entry a session has begun with goes while that runs.
  auto running = cache->acquire(text(230, 20, text(100, 11)));
  EXPECT_EQ(100, running->n_reused);
  auto other = cache->acquire(text(250, 30));
  eval(*other->session, text(250, 30));
  eval(*running->session, std::span<const int32_t>(text(230, 20, text(100, 11))).subspan(100));
  expect_same(*fresh(text(230, 20, text(100, 11)), options_of()), *running->session, "without its entry");
  EXPECT_EQ(0u, cache->stats().entries);
  // More sessions than the arena has room for: those that nobody uses give their pages to a file, and go on later.
  auto third = cache->acquire(text(250, 31));
  eval(*third->session, text(250, 31));
  EXPECT_GT(third->session->engine()->stats().swapped_out, 0u);
  expect_same(*fresh(text(250, 30), options_of()), *other->session, "after a while in a file");
  other->session.reset();
  third->session.reset();
  running->session.reset();
  EXPECT_EQ(0u, cache->stats().pages_in_use);
}

TEST(PrefixCache, SessionsOutliveIt) {
  SessionOptions options = options_of(400);
  options.kv.budget = 64;
  auto cache = make(options);
  const auto a = text(50, 0);
  request(*cache, a, "stored", true);
  auto acquired = cache->acquire(text(200, 1, a));
  EXPECT_EQ(50, acquired->n_reused);
  cache.reset();
  eval(*acquired->session, std::span<const int32_t>(text(200, 1, a)).subspan(50));
  expect_same(*fresh(text(200, 1, a), options), *acquired->session, "afterwards");
  auto fork = acquired->session->fork();
  ASSERT_TRUE(fork.ok());
  eval(**fork, text(30, 3));
}

TEST(PrefixCache, ThreadsShareIt) {
  SessionOptions options = options_of(300);
  options.kv.budget = 96;
  const auto cache = make(options, {.entries = 5, .sessions = 2});
  std::vector<std::vector<int32_t>> requests;
  std::vector<std::unique_ptr<Session>> wanted;
  for (int i = 0; i < 6; ++i) {
    requests.push_back(text(60 + 25 * i, i, text(40 + 10 * (i % 3), i % 2)));
    wanted.push_back(fresh(requests.back(), options));
  }
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 18; ++i) {
        const size_t r = (i * (t + 1) + t) % requests.size();
        auto a = cache->acquire(requests[r]);
        ASSERT_TRUE(a.ok());
        eval(*a->session, std::span(requests[r]).subspan(static_cast<size_t>(a->n_reused)));
        expect_same(*wanted[r], *a->session, "thread " + std::to_string(t) + ", request " + std::to_string(r));
        EXPECT_TRUE(cache->store(*a->session).ok());
        EXPECT_FALSE(cache->stats_json().empty());
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(36u, cache->stats().lookups);
  EXPECT_GT(cache->stats().hits, 0u);
}

TEST(PrefixCache, WrongOptionsAreErrors) {
  EXPECT_FALSE(PrefixCache::create(tiny(), options_of(), {.entries = 0}).ok());
  EXPECT_FALSE(PrefixCache::create(tiny(), options_of(), {.entries = 1, .sessions = 513}).ok());
  SessionOptions wrong = options_of();
  wrong.kv.policy = "none";
  EXPECT_FALSE(PrefixCache::create(tiny(), wrong).ok());
}

TEST(PrefixCache, ThroughTheInterface) {
  auto model = kedge::Model::open(data_path("golden/llama/model.gguf"));
  ASSERT_TRUE(model.ok());
  auto cache = kedge::PrefixCache::create(*model, {.n_ctx = 256, .n_threads = 1}, {.entries = 3, .sessions = 2});
  ASSERT_TRUE(cache.ok()) << cache.error().message;
  const auto tokens = text(90, 0);
  const std::string segments = R"([{"range": [0, 20], "kind": "system"}])";
  {
    auto first = cache->acquire(tokens, segments);
    ASSERT_TRUE(first.ok()) << first.error().message;
    EXPECT_EQ(0u, first->n_reused);
    ASSERT_TRUE(first->session.eval(tokens).ok());
    ASSERT_TRUE(cache->store(first->session).ok());
  }
  auto second = cache->acquire(tokens);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(90u, second->n_reused);
  EXPECT_EQ(320u, second->session.logits().size());
  auto stats = cache->stats();
  ASSERT_TRUE(stats.ok());
  const auto json = nlohmann::json::parse(*stats);
  EXPECT_EQ(2, json["lookups"]);
  EXPECT_EQ(1, json["hits"]);
  EXPECT_EQ(90, json["tokens_reused"]);
  EXPECT_GT(json["bytes"], 0);

  auto alien = kedge::Session::create(*model, {.n_ctx = 256, .n_threads = 1});
  EXPECT_EQ(KEDGE_INVALID_ARGUMENT, cache->store(*alien).error().code);
  EXPECT_EQ(KEDGE_INVALID_ARGUMENT, cache->acquire(tokens, "[{").error().code);
  EXPECT_EQ(KEDGE_INVALID_ARGUMENT, cache->acquire({}).error().code);
  kedge_session* session = nullptr;
  size_t n = 1;
  EXPECT_EQ(KEDGE_INVALID_ARGUMENT, kedge_prefix_cache_acquire(nullptr, nullptr, 0, nullptr, 0, &session, &n));
  EXPECT_EQ(0u, n);
  EXPECT_EQ(KEDGE_INVALID_ARGUMENT, kedge_prefix_cache_acquire(cache->get(), nullptr, 0, nullptr, 0, nullptr, &n));
  EXPECT_EQ(KEDGE_INVALID_ARGUMENT, kedge_prefix_cache_create(nullptr, nullptr, nullptr, nullptr));
  EXPECT_EQ(KEDGE_INVALID_ARGUMENT, kedge_prefix_cache_store(nullptr, nullptr));
  kedge_prefix_cache_free(nullptr);
}

}  // namespace
}  // namespace kedge::engine
