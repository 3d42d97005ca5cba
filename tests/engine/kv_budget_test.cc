// A KV budget on real steps: as large as the text it changes no bit; smaller, what leaves and every logit depend on the
// tokens and the options only.
#include <unistd.h>

#include <cstring>

#include "engine/session_file.h"
#include "tests/engine/golden.h"
#include "tests/memory/every_policy.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;

std::string path_of(const std::string& name) {
  return testing::TempDir() + "kedge-engine-" + std::to_string(::getpid()) + "-" + name;
}

struct Trace {
  std::vector<float> logits;  // of all tokens
  std::string log;
  uint64_t retention = 0;
};

std::string log_of(const KvMemory& m) {
  std::string text;
  for (const KvLogEntry& e : m.log().entries()) {
    text += std::to_string(e.event) + "@" + std::to_string(e.position) + " " + kv_why_name(e.why) + " [" +
            std::to_string(e.first) + "," + std::to_string(e.last) + ") t" + std::to_string(e.table) + " " +
            std::to_string(e.tier) + "/" + std::to_string(e.score) + "\n";
  }
  for (const DetachedReference& d : m.detached()) {
    text += "detached " + d.reference + "@" + std::to_string(d.position) + "\n";
  }
  return text;
}

struct How {
  int threads = 1;
  int chunk = 512;
  size_t piece = 100000;  // tokens of one eval
  size_t save_every = 0;  // pieces
  size_t fork_at = 0;     // tokens
  size_t cancel_at = 0;   // tokens: there a step is cancelled and done again
};

std::vector<Segment> some_segments() {
  return {{.first = 20, .last = 30, .kind = SegmentKind::kReference, .pin = Pin::kSoft, .source_id = "KB-4711"},
          {.first = 90, .last = 96, .kind = SegmentKind::kReference, .pin = Pin::kHard, .source_id = "KB-4712"}};
}

Trace run(const std::shared_ptr<const Model>& model, const std::vector<int32_t>& tokens, SessionOptions options,
          const How& how) {
  options.n_threads = how.threads;
  options.chunk = how.chunk;
  Trace trace;
  auto made = Session::create(model, options);
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
  if (!made.ok()) return trace;
  auto session = std::move(made).value();
  EXPECT_TRUE(session->add_segments(some_segments()).ok());
  const auto row = [&](int, std::span<const float> logits) -> Status {
    trace.logits.insert(trace.logits.end(), logits.begin(), logits.end());
    return {};
  };
  std::unique_ptr<Session> parent;
  for (size_t done = 0, round = 1; done < tokens.size(); ++round) {
    const size_t n = std::min(how.piece, tokens.size() - done);
    const auto part = std::span(tokens).subspan(done, n);
    if (how.cancel_at > 0 && done >= how.cancel_at) {
      const std::atomic<bool> cancel{true};
      EXPECT_FALSE(session->eval(part, {.progress = {}, .cancel = &cancel}).ok());
    }
    const Status s = session->eval_all(part, row);
    EXPECT_TRUE(s.ok()) << (s.ok() ? "" : s.error().message);
    if (!s.ok()) return trace;
    done += n;
    if (how.save_every > 0 && round % how.save_every == 0) {
      const std::string path = path_of("trace");
      EXPECT_TRUE(SessionFile::save(*session, path).ok());
      auto loaded = SessionFile::load(model, path, options);
      EXPECT_TRUE(loaded.ok()) << (loaded.ok() ? "" : loaded.error().message);
      ::unlink(path.c_str());
      if (!loaded.ok()) return trace;
      EXPECT_EQ(0, std::memcmp((*loaded)->logits().data(), session->logits().data(), session->logits().size_bytes()));
      session = std::move(loaded).value();
    }
    if (how.fork_at > 0 && parent == nullptr && done >= how.fork_at) {
      auto child = session->fork();
      EXPECT_TRUE(child.ok()) << (child.ok() ? "" : child.error().message);
      if (!child.ok()) return trace;
      parent = std::exchange(session, std::move(child).value());
      EXPECT_TRUE(parent->eval(std::span(tokens).first(3)).ok());
    }
  }
  trace.log = log_of(session->memory());
  trace.retention = session->memory().retention();
  return trace;
}

void expect_same(const Trace& want, const Trace& got, const std::string& what) {
  EXPECT_EQ(want.log, got.log) << what;
  EXPECT_EQ(want.retention, got.retention) << what;
  ASSERT_EQ(want.logits.size(), got.logits.size()) << what;
  EXPECT_EQ(0, std::memcmp(want.logits.data(), got.logits.data(), want.logits.size() * sizeof(float))) << what;
}

void expect_one_trace(const std::shared_ptr<const Model>& model, const std::vector<int32_t>& tokens,
                      const SessionOptions& options, bool thorough, const std::string& what) {
  const Trace want = run(model, tokens, options, {});
  EXPECT_FALSE(want.log.empty()) << what << ": nothing was evicted";
  expect_same(want, run(model, tokens, options, {.threads = 2, .chunk = 7}), what + " 2 threads, chunk 7");
  expect_same(want, run(model, tokens, options, {.threads = 5, .chunk = 33, .piece = 41, .save_every = 3}),
              what + " 5 threads, pieces, saved");
  expect_same(want, run(model, tokens, options, {.threads = 1, .chunk = 512, .piece = 50, .fork_at = 150}),
              what + " fork");
  if (!thorough) return;
  expect_same(want, run(model, tokens, options, {}), what + " again");
  expect_same(want, run(model, tokens, options, {.chunk = 1}), what + " chunk 1");
  expect_same(want, run(model, tokens, options, {.chunk = 64, .piece = 60, .cancel_at = 120}), what + " cancelled");
}

std::vector<int32_t> some_tokens(const Model& model, int n) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * 131 + i * i / 7) % model.config().n_vocab);
  return tokens;
}

SessionOptions small(const std::string& policy, int budget, KvFormat type) {
  SessionOptions options;
  options.n_ctx = 400;
  options.kv_type = type;
  options.kv.budget = budget;
  options.kv.policy = policy;
  options.kv.log = 1 << 16;
  options.kv.forks = 2;
  return options;
}

class Budget : public testing::TestWithParam<std::string> {};

TEST_P(Budget, EvictsTheSameWhateverTheSteps) {
  for (const char* name : {"golden/quant-llama/model-Q8_0.gguf", "golden/qwen3moe/model.gguf"}) {
    const auto model = load(data_path(name));
    ASSERT_NE(nullptr, model);
    const auto tokens = some_tokens(*model, 300);
    const bool wide = model->config().head_dim_k % 32 == 0;
    for (const KvFormat type : {KvFormat::kF32, KvFormat::kF16, KvFormat::kQ8_0, KvFormat::kQ4_0}) {
      if (!wide && (type == KvFormat::kQ8_0 || type == KvFormat::kQ4_0)) continue;
      expect_one_trace(model, tokens, small(GetParam(), 80, type), type == KvFormat::kF16,
                       std::string(name) + " " + GetParam() + " type " + std::to_string(static_cast<int>(type)));
    }
    for (const auto cold : {KvOptions::Cold::kRam, KvOptions::Cold::kFile}) {
      SessionOptions options = small(GetParam(), 80, KvFormat::kF16);
      options.kv.cold = cold;
      options.kv.cold_path = path_of("cold");
      expect_one_trace(model, tokens, options, false, std::string(name) + " " + GetParam() + " cold");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, Budget, testing::ValuesIn(evicting_policies()));

TEST(BudgetAsLargeAsTheText, ChangesNoBit) {
  for (const char* name : {"golden/quant-llama/model-Q4_0.gguf", "golden/qwen3moe/model.gguf"}) {
    const auto model = load(data_path(name));
    ASSERT_NE(nullptr, model);
    const auto tokens = some_tokens(*model, 200);
    SessionOptions plain;
    plain.n_ctx = 400;
    const auto want = all_logits(model, tokens, plain);
    for (const std::string_view policy : policy_names()) {
      for (const int chunk : {9, 512}) {
        SessionOptions options = small(std::string(policy), 200, KvFormat::kF16);
        options.chunk = chunk;
        const auto got = all_logits(model, tokens, options);
        ASSERT_EQ(want.size(), got.size());
        EXPECT_EQ(0, std::memcmp(want.data(), got.data(), want.size() * sizeof(float))) << name << " " << policy;
      }
    }
  }
}

TEST(RecallByAttention, IsTheSameWhateverTheSteps) {
  for (const char* name : {"golden/quant-llama/model-Q8_0.gguf", "golden/qwen3moe/model.gguf"}) {
    const auto model = load(data_path(name));
    ASSERT_NE(nullptr, model);
    const auto tokens = some_tokens(*model, 300);
    for (const auto cold : {KvOptions::Cold::kRam, KvOptions::Cold::kFile}) {
      SessionOptions options = small("anchor", 80, KvFormat::kF16);
      options.kv.cold = cold;
      options.kv.cold_path = path_of("probe");
      options.kv.recall_threshold = 0.01f;
      const std::string log = run(model, tokens, options, {}).log;
      EXPECT_NE(std::string::npos, log.find("recall")) << name << log;
      expect_one_trace(model, tokens, options, true, std::string(name) + " probed");
      options.kv.recall_threshold = 0;  // off: nothing mentions what left
      EXPECT_EQ(std::string::npos, run(model, tokens, options, {}).log.find("recall"));
    }
  }
}

// --- With text that has references, on a real model -----------------------------------------------------------------

const std::string& document() {
  static const std::string kText = [] {
    std::ifstream in(data_path("eval/recall-sample.jsonl"));
    std::string line;
    std::getline(in, line);
    return nlohmann::json::parse(line)["messages"][1]["content"].get<std::string>();
  }();
  return kText;
}

std::shared_ptr<const Model> scout() { return load(std::string(KEDGE_SOURCE_DIR) + "/models/scout-q8_0.gguf"); }

TEST(BudgetOnText, SameEvictionsRecallsAndLogits) {
  const auto model = scout();
  ASSERT_NE(nullptr, model);
  auto tokens = model->tokenizer().encode(document()).value();
  tokens.resize(std::min<size_t>(tokens.size(), 280));
  const auto mention = model->tokenizer().encode("\nSee `map_bias` and TKT-43396 again.\n").value();
  tokens.insert(tokens.end(), mention.begin(), mention.end());
  for (const auto cold : {KvOptions::Cold::kOff, KvOptions::Cold::kRam}) {
    SessionOptions options = small("anchor", 96, KvFormat::kF16);
    options.kv.cold = cold;
    options.kv.anchor_cap = 0;  // what is referred to leaves
    const Trace want = run(model, tokens, options, {.threads = 2});
    EXPECT_NE(std::string::npos, want.log.find(cold == KvOptions::Cold::kOff ? "detached" : "recall")) << want.log;
    expect_same(want, run(model, tokens, options, {.threads = 1, .chunk = 7}), "chunk 7");
    expect_same(want, run(model, tokens, options, {.threads = 5, .chunk = 33, .piece = 61, .save_every = 2}), "saved");
    expect_same(want, run(model, tokens, options, {.threads = 2, .piece = 80, .fork_at = 200}), "fork");
  }
}

}  // namespace
}  // namespace kedge::engine
