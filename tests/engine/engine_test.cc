// Many sequences on one engine: each is, bit for bit, itself run alone.
#include "engine/engine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <random>
#include <thread>

#include "engine/capi/memory_json.h"
#include "engine/generate.h"
#include "kernels/base/json.h"
#include "tests/engine/golden.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;

// What a sequence has done, so that another can do it again alone.
struct Deed {
  enum Kind { kEval, kSegments, kRecall } kind = kEval;
  std::vector<int32_t> tokens = {};
  std::vector<float> logits = {};  // afterwards; empty: not known (cancelled)
  Segment segment = {};
  int first = 0;
  int last = 0;
};

std::vector<float> logits_of(const Session& s) { return {s.logits().begin(), s.logits().end()}; }

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

KvOptions random_kv(std::mt19937& dice, int n_ctx) {
  KvOptions kv;
  if (dice() % 3 == 0) return kv;
  constexpr const char* kPolicies[] = {"anchor", "recency", "h2o", "snapkv", "tova", "keydiff", "sinks", "random"};
  kv.budget = static_cast<int>(32 + dice() % static_cast<unsigned>(n_ctx / 3));
  kv.policy = kPolicies[dice() % 8];
  kv.seed = dice() % 5;
  if (dice() % 2 == 0) {
    kv.cold = KvOptions::Cold::kRam;
    kv.cold_bytes = size_t{1} << 20;
    if (dice() % 2 == 0) kv.recall_threshold = 0.01f;
  }
  return kv;
}

// One sequence with a life of its own, on one thread.
class Life {
 public:
  Life(std::unique_ptr<Session> session, std::vector<Deed> past, unsigned seed, bool tight)
      : session_(std::move(session)), past_(std::move(past)), dice_(seed), tight_(tight) {}

  void live(int deeds, int depth) {
    for (int i = 0; i < deeds && ok_; ++i) {
      switch (dice_() % 10) {
        case 0:
          if (!tight_) try_and_take_back();  // a checkpoint holds pages that nobody can have back
          break;
        case 1:
          if (depth < 2) branch(deeds - i, depth);
          break;
        case 2:
          cancelled_eval();
          break;
        case 3:
          mark();
          break;
        case 4:
          recall();
          break;
        case 5:
        case 6:
          generate_some();
          break;
        default:
          eval(random_tokens(1 + static_cast<int>(dice_() % 40)));
      }
    }
    if (ok_) check_alone();
  }
  bool ok() const { return ok_; }

 private:
  int room() const { return session_->n_ctx() - session_->n_past(); }
  std::vector<int32_t> random_tokens(int n) {
    std::vector<int32_t> tokens;
    const int n_vocab = session_->model().config().n_vocab;
    for (int i = 0; i < std::min(n, room()); ++i) {
      tokens.push_back(static_cast<int32_t>(dice_() % static_cast<unsigned>(n_vocab)));
    }
    return tokens;
  }
  void fail(const std::string& what) {
    ok_ = false;
    ADD_FAILURE() << what;
  }

  void eval(const std::vector<int32_t>& tokens) {
    if (tokens.empty()) return;
    const Status done = session_->eval(tokens);
    if (!done.ok()) return fail(done.error().message);
    past_.push_back({.tokens = tokens, .logits = logits_of(*session_)});
  }

  void generate_some() {
    if (room() < 10 || session_->logits().empty()) return;
    const auto before = static_cast<size_t>(session_->n_past());
    GenerateOptions options;
    options.max_tokens = 1 + static_cast<int>(dice_() % 8);
    options.sampler.seed = dice_();
    options.sampler.settings = {{"temperature", dice_() % 2 == 0 ? 0.0 : 0.8}};
    options.key = std::to_string(dice_() % 3);
    const auto done = generate(*session_, {}, options);
    if (!done.ok()) return fail(done.error().message);
    // Token by token, as it was evaluated.
    for (size_t i = before; i < session_->tokens().size(); ++i) past_.push_back({.tokens = {session_->tokens()[i]}});
    if (session_->tokens().size() > before) past_.back().logits = logits_of(*session_);
  }

  // Stopped by its progress, or by a flag at any moment: what was evaluated by then stays.
  void cancelled_eval() {
    const auto tokens = random_tokens(20 + static_cast<int>(dice_() % 60));
    if (tokens.empty()) return;
    const auto before = static_cast<size_t>(session_->n_past());
    std::atomic<bool> cancel{false};
    const bool by_flag = dice_() % 2 == 0;
    std::thread other;
    if (by_flag) other = std::thread([&] { cancel = true; });
    EvalHooks hooks;
    hooks.cancel = &cancel;
    if (!by_flag) hooks.progress = [](size_t, size_t) { return false; };
    const Status done = session_->eval(tokens, hooks);
    if (other.joinable()) other.join();
    if (!done.ok() && done.error().code != ErrorCode::kCancelled) return fail(done.error().message);
    const auto all = session_->tokens();
    if (all.size() > before)
      past_.push_back({.tokens = {all.begin() + static_cast<std::ptrdiff_t>(before), all.end()}});
    eval(random_tokens(1 + static_cast<int>(dice_() % 5)));
  }

  void mark() {
    const int first = session_->n_past();
    if (room() < 12) return;
    Deed deed{.kind = Deed::kSegments};
    deed.segment.first = first;
    deed.segment.last = first + 6;
    deed.segment.kind = SegmentKind::kReference;
    deed.segment.source_id = "note-" + std::to_string(dice_() % 9);
    deed.segment.pin = dice_() % 2 == 0 ? Pin::kSoft : Pin::kHard;
    const auto done = session_->add_segments(std::span(&deed.segment, 1));
    if (!done.ok()) return fail(done.error().message);
    past_.push_back(deed);
    eval(random_tokens(8));
  }

  void recall() {
    if (session_->n_past() < 10) return;
    Deed deed{.kind = Deed::kRecall};
    deed.first = static_cast<int>(dice_() % static_cast<unsigned>(session_->n_past() - 8));
    deed.last = deed.first + 8;
    (void)session_->recall(deed.first, deed.last);  // refused or not, the other does the same
    past_.push_back(deed);
  }

  // Everything after a checkpoint is as if it had never been.
  void try_and_take_back() {
    auto point = session_->checkpoint();
    if (!point.ok()) return fail(point.error().message);
    const std::vector<Deed> past = past_;
    const std::vector<float> logits = logits_of(*session_);
    eval(random_tokens(1 + static_cast<int>(dice_() % 50)));
    generate_some();
    if (!ok_) return;
    const Status back = session_->rollback(**point);
    if (!back.ok()) return fail(back.error().message);
    if (!same_bits(logits, logits_of(*session_))) return fail("other logits after a rollback");
    past_ = past;
  }

  // A fork goes its own way at the same time.
  void branch(int deeds, int depth) {
    auto fork = session_->fork();
    if (!fork.ok()) return fail(fork.error().message);
    Life other(std::move(fork).value(), past_, static_cast<unsigned>(dice_()), tight_);
    std::thread thread([&] { other.live(deeds / 2, depth + 1); });
    eval(random_tokens(1 + static_cast<int>(dice_() % 20)));
    thread.join();
    ok_ = ok_ && other.ok();
  }

  void check_alone() {
    SessionOptions options = session_->options();
    options.n_threads = 1;
    auto made = Session::create(session_->engine()->model(), options);
    if (!made.ok()) return fail(made.error().message);
    Session& alone = **made;
    for (size_t i = 0; i < past_.size(); ++i) {
      const Deed& deed = past_[i];
      if (deed.kind == Deed::kSegments) {
        (void)alone.add_segments(std::span(&deed.segment, 1));
      } else if (deed.kind == Deed::kRecall) {
        (void)alone.recall(deed.first, deed.last);
      } else {
        const Status done = alone.eval(deed.tokens);
        if (!done.ok()) return fail("alone: " + done.error().message);
        if (!deed.logits.empty() && !same_bits(deed.logits, logits_of(alone))) {
          return fail("other logits than alone after deed " + std::to_string(i) + " of " +
                      std::to_string(past_.size()) + ", " + options.kv.policy + " " +
                      std::to_string(options.kv.budget));
        }
      }
    }
    const auto held = session_->use();
    if (kv_log(session_->memory(), 0) != kv_log(alone.memory(), 0)) fail("another log than alone");
    if (session_->memory().retention() != alone.memory().retention()) fail("another retention than alone");
  }

  std::unique_ptr<Session> session_;
  std::vector<Deed> past_;
  std::mt19937 dice_;
  bool tight_;
  bool ok_ = true;
};

struct Schedules {
  const char* model;
  int first;
  int count;
};

class EngineSchedules : public testing::TestWithParam<Schedules> {};

TEST_P(EngineSchedules, EverySequenceIsItselfAlone) {
  const auto model = load(GetParam().model[0] == '/' ? GetParam().model : data_path(GetParam().model));
  ASSERT_NE(nullptr, model);
  constexpr int kSequences = 16;
  uint64_t paused = 0;
  for (int schedule = GetParam().first; schedule < GetParam().first + GetParam().count; ++schedule) {
    SCOPED_TRACE("schedule " + std::to_string(schedule));
    std::mt19937 dice(static_cast<unsigned>(schedule));
    EngineOptions o;
    o.n_threads = 1 + schedule % 3;
    o.sequences = 1 + static_cast<int>(dice() % 16);
    o.step_tokens = 1 + static_cast<int>(dice() % 70);
    o.step_ms = dice() % 2 == 0 ? -1 : 0;
    o.spill = testing::TempDir();
    constexpr KvFormat kTypes[] = {KvFormat::kF16, KvFormat::kF32, KvFormat::kQ8_0};
    o.kv_type = kTypes[dice() % (model->config().head_dim_k % 32 == 0 ? 3 : 2)];
    const int n_ctx = 300;
    auto roomy = Engine::create(model, o);
    ASSERT_TRUE(roomy.ok()) << roomy.error().message;
    auto engine = *roomy;
    const bool tight = dice() % 2 == 0;
    if (tight) {  // so few pages that sequences have to wait for each other
      const EngineStats s = engine->stats();
      const size_t of_one =
          s.page_bytes * KvSequence::pages_for(model->config().n_layers, model->config().n_kv_heads, n_ctx);
      const size_t fixed = s.buffer_bytes + static_cast<size_t>(o.sequences * model->config().n_vocab) * sizeof(float);
      o.memory = fixed + of_one * (2 + dice() % 2);
      auto small = Engine::create(model, o);
      ASSERT_TRUE(small.ok()) << small.error().message;
      engine = *small;
    }
    std::vector<std::unique_ptr<Life>> lives;
    for (int i = 0; i < kSequences; ++i) {
      SessionOptions so;
      so.n_ctx = n_ctx;
      so.kv = random_kv(dice, n_ctx);
      auto session = engine->session(so);
      ASSERT_TRUE(session.ok()) << session.error().message;
      lives.push_back(std::make_unique<Life>(std::move(session).value(), std::vector<Deed>(),
                                             static_cast<unsigned>(dice()), tight));
    }
    std::vector<std::thread> threads;
    for (auto& life : lives) {
      const int deeds = 2 + static_cast<int>(dice() % 6);
      threads.emplace_back([&life, deeds] { life->live(deeds, 0); });
    }
    for (std::thread& t : threads) t.join();
    for (const auto& life : lives) ASSERT_TRUE(life->ok());
    paused += engine->stats().paused;
    lives.clear();
    EXPECT_EQ(0u, engine->stats().pages_in_use);
    EXPECT_EQ(0u, engine->stats().sequences);
  }
  EXPECT_GT(paused, 0u);  // or this tested less than it says
}

INSTANTIATE_TEST_SUITE_P(Models, EngineSchedules,
                         testing::Values(Schedules{"golden/llama/model.gguf", 0, 60},
                                         Schedules{"golden/qwen3moe/model.gguf", 60, 60},
                                         Schedules{"golden/quant-llama/model-Q4_K_M.gguf", 120, 60},
                                         Schedules{KEDGE_SOURCE_DIR "/models/scout-q8_0.gguf", 180, 20}));

}  // namespace
}  // namespace kedge::engine
