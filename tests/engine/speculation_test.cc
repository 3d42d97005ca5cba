// Speculation changes no bit: whatever guesses, however long, on whatever memory, a generation is the one without.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "engine/answer_json.h"
#include "engine/engine.h"
#include "engine/generate.h"
#include "tests/engine/golden.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;
using Kind = SpeculationOptions::Kind;

constexpr int kContext = 256;

// Everything that can be seen of a generation and of the session it leaves.
struct Seen {
  GenerateResult result;
  std::vector<std::string> events;  // callbacks, in their order
  std::vector<int32_t> tokens;      // of the session
  std::vector<float> logits;
  std::string memory;
  std::vector<float> later;  // logits after some more tokens

  static bool same(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  }
  void expect(const Seen& other, const std::string& where) const {
    ASSERT_EQ(result.tokens, other.result.tokens) << where;
    EXPECT_EQ(result.text, other.result.text) << where;
    EXPECT_EQ(result.finish, other.result.finish) << where;
    EXPECT_EQ(result.stop_index, other.result.stop_index) << where;
    EXPECT_EQ(result.unfinished, other.result.unfinished) << where;
    EXPECT_EQ(events, other.events) << where;
    EXPECT_EQ(tokens, other.tokens) << where;
    EXPECT_TRUE(same(logits, other.logits)) << where;
    EXPECT_EQ(memory, other.memory) << where;
    EXPECT_TRUE(same(later, other.later)) << where;
    ASSERT_EQ(result.logprobs.size(), other.result.logprobs.size()) << where;
    for (size_t i = 0; i < result.logprobs.size(); ++i) {
      ASSERT_EQ(result.logprobs[i].token, other.result.logprobs[i].token) << where;
      ASSERT_EQ(result.logprobs[i].logprob, other.result.logprobs[i].logprob) << where;
    }
  }
};

std::string memory_of(const Session& session, const KvCounts& before) {
  const KvMemory& m = session.memory();
  std::string all = kv_answer_json(m, before) + " " + std::to_string(m.retention()) + " " + std::to_string(m.origin());
  for (const int32_t p : m.hot_positions()) all += " " + std::to_string(p);
  return all;
}

struct Stop {
  size_t cancel_at = 0;  // token of the answer at which the callback cancels; 0: never
};

Seen run(Session& session, std::span<const int32_t> prompt, const GenerateOptions& options, Stop stop = {}) {
  Seen seen;
  size_t chosen = 0;
  GenerateCallbacks callbacks;
  callbacks.on_text = [&](std::string_view text) {
    seen.events.push_back("text " + std::string(text));
    return true;
  };
  callbacks.on_token = [&](int32_t token, std::span<const TokenLogprob>) {
    // The logits the token was chosen from are those of the session.
    uint32_t bits = 0;
    std::memcpy(&bits, session.logits().data() + 1, sizeof bits);
    seen.events.push_back("token " + std::to_string(token) + " " + std::to_string(bits) + " at " +
                          std::to_string(session.tokens().size()));
    return ++chosen != stop.cancel_at;
  };
  auto made = generate(session, prompt, options, callbacks);
  EXPECT_TRUE(made.ok()) << made.error().message;
  if (!made.ok()) return seen;
  seen.result = std::move(made).value();
  seen.tokens.assign(session.tokens().begin(), session.tokens().end());
  EXPECT_EQ(seen.tokens.size(), static_cast<size_t>(session.n_past()));
  seen.logits.assign(session.logits().begin(), session.logits().end());
  seen.memory = memory_of(session, seen.result.kv_before);
  if (session.n_past() + 3 <= session.n_ctx()) {
    const int32_t more[] = {5, 9, 2};
    const Status evaluated = session.eval(more);
    EXPECT_TRUE(evaluated.ok()) << evaluated.error().message;
    seen.later.assign(session.logits().begin(), session.logits().end());
  }
  return seen;
}

struct Subject {
  std::string folder;
  std::string name;
  KvOptions kv;
};

// Plain pages, windows, recurrent states, experts; budgets of every sort of policy, with and without a cold tier.
std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for (const char* folder : {"llama", "qwen3moe", "gemma3", "gpt-oss", "qwen35", "mamba2", "lfm2", "rwkv7"}) {
    all.push_back({folder, folder, {}});
  }
  for (const char* policy : {"anchor", "recency", "h2o", "snapkv", "tova", "keydiff"}) {
    KvOptions kv;
    kv.budget = 64;
    kv.policy = policy;
    all.push_back({"llama", std::string("llama ") + policy, kv});
  }
  KvOptions cold;
  cold.budget = 64;
  cold.cold = KvOptions::Cold::kRam;
  cold.cold_bytes = size_t{1} << 20;
  all.push_back({"llama", "llama cold", cold});
  cold.recall_threshold = 0.01f;
  all.push_back({"llama", "llama recall", cold});
  KvOptions windows;
  windows.budget = 96;
  all.push_back({"gemma3", "gemma3 budget", windows});
  all.push_back({"qwen35", "qwen35 budget", windows});
  return all;
}

std::unique_ptr<Session> session_of(const Subject& s, const std::shared_ptr<const Model>& model, int chunk = 64,
                                    int n_ctx = kContext) {
  SessionOptions o;
  o.n_ctx = n_ctx;
  o.n_threads = 1;
  o.chunk = chunk;
  o.kv = s.kv;
  auto made = Session::create(model, o);
  EXPECT_TRUE(made.ok()) << s.name << ": " << made.error().message;
  return made.ok() ? std::move(made).value() : nullptr;
}

// A text that repeats itself in places.
std::vector<int32_t> prompt_of(std::mt19937& dice, size_t n) {
  std::vector<int32_t> tokens;
  while (tokens.size() < n) {
    if (tokens.size() > 12 && dice() % 3 == 0) {
      const size_t from = dice() % (tokens.size() - 8);
      for (size_t i = 0; i < 8; ++i) tokens.push_back(tokens[from + i]);
    } else {
      tokens.push_back(static_cast<int32_t>(3 + dice() % 250));
    }
  }
  tokens.resize(n);
  return tokens;
}

GenerateOptions random_options(std::mt19937& dice) {
  GenerateOptions o;
  o.max_tokens = 1 + static_cast<int>(dice() % 40);
  o.ignore_eos = dice() % 4 != 0;
  o.logprobs = dice() % 3 == 0 ? 2 : -1;
  o.sampler.seed = dice() % 100;
  o.sampler.request = dice() % 3;
  switch (dice() % 4) {
    case 0:
    case 1:
      o.sampler.settings = {{"temperature", 0}};
      break;
    case 2:
      o.sampler.settings = {{"temperature", 0.7}, {"repeat_penalty", 1.1}};
      break;
    default:
      o.sampler.settings = {{"temperature", 1.3}, {"dry_multiplier", 0.8}, {"top_k", 20}};
  }
  if (dice() % 4 == 0) o.stop = {"e", "\n"};
  return o;
}

// The answer itself with some tokens wrong, missing or doubled.
std::vector<int32_t> garbled(std::vector<int32_t> tokens, std::mt19937& dice) {
  for (int i = 0; i < 3 && tokens.size() > 4; ++i) {
    const auto at = tokens.begin() + static_cast<std::ptrdiff_t>(dice() % tokens.size());
    if (dice() % 2 == 0) {
      *at = static_cast<int32_t>(dice() % 250);
    } else {
      tokens.erase(at);
    }
  }
  return tokens;
}

TEST(Speculation, AnswersAreThoseWithout) {
  std::mt19937 dice(15);
  size_t accepted = 0;
  size_t rejected = 0;
  for (const Subject& subject : subjects()) {
    const auto model = load(data_path("golden/" + subject.folder + "/model.gguf"));
    ASSERT_NE(model, nullptr);
    size_t of_subject = 0;
    for (int round = 0; round < 40; ++round) {
      const auto prompt = prompt_of(dice, 20 + dice() % 100);
      GenerateOptions options = random_options(dice);
      const Stop stop{dice() % 4 == 0 ? 1 + dice() % 20 : 0};
      auto plain = session_of(subject, model);
      ASSERT_NE(plain, nullptr);
      const Seen want = run(*plain, prompt, options, stop);
      const auto draft = session_of({subject.folder, "draft", {}}, model);
      options.speculation.kind = static_cast<Kind>(1 + round % 3);
      options.speculation.most = 1 + static_cast<int>(dice() % 8);
      options.speculation.adaptive = dice() % 4 == 0;
      if (options.speculation.kind == Kind::kDraft) options.speculation.draft = draft.get();
      if (options.speculation.kind == Kind::kTokens) options.speculation.tokens = garbled(want.result.tokens, dice);
      const int chunk = dice() % 4 == 0 ? 3 : 64;
      auto guessing = session_of(subject, model, chunk);
      const Seen got = run(*guessing, prompt, options, stop);
      const std::string where = subject.name + ", round " + std::to_string(round) + ", " +
                                speculation_kind_name(options.speculation.kind) + ", at most " +
                                std::to_string(options.speculation.most);
      want.expect(got, where);
      if (HasFailure()) return;
      const SpeculationResult& s = got.result.speculation;
      EXPECT_LE(s.accepted, s.guessed) << where;
      if (options.speculation.adaptive) continue;  // as many as pay: that depends on the machine
      EXPECT_EQ(s.stopped, "") << where;
      of_subject += s.accepted;
      rejected += s.guessed - s.accepted;
    }
    EXPECT_GT(of_subject, 40u) << subject.name;  // it is no test where nothing is guessed right
    accepted += of_subject;
  }
  EXPECT_GT(accepted, 1500u);
  EXPECT_GT(rejected, 500u);
}

class OfLlama : public ::testing::Test {
 protected:
  void SetUp() override {
    model_ = load(data_path("golden/llama/model.gguf"));
    ASSERT_NE(model_, nullptr);
    std::mt19937 dice(3);
    prompt_ = prompt_of(dice, 60);
    options_.max_tokens = 33;
    options_.ignore_eos = true;
    options_.sampler.settings = {{"temperature", 0}};
    auto session = session_of(subject_, model_);
    want_ = run(*session, prompt_, options_);
    ASSERT_EQ(want_.result.tokens.size(), 33u);
  }
  Seen speculate(const SpeculationOptions& speculation, int n_ctx = kContext) {
    GenerateOptions options = options_;
    options.speculation = speculation;
    auto session = session_of(subject_, model_, 64, n_ctx);
    return run(*session, prompt_, options);
  }

  Subject subject_{"llama", "llama", {}};
  std::shared_ptr<const Model> model_;
  std::vector<int32_t> prompt_;
  GenerateOptions options_;
  Seen want_;
};

// The first token comes of the prompt; then a step gives the guesses it was given and one more.
TEST_F(OfLlama, AKnownAnswerTakesAsManyStepsAsItHas) {
  for (const auto& [most, steps] : {std::pair<int, size_t>{1, 16}, {3, 8}, {7, 4}, {8, 4}, {31, 1}}) {
    const Seen got = speculate({.kind = Kind::kTokens, .most = most, .adaptive = false, .tokens = want_.result.tokens});
    want_.expect(got, "at most " + std::to_string(most));
    const SpeculationResult& s = got.result.speculation;
    EXPECT_EQ(s.steps, steps) << most;
    EXPECT_EQ(s.guessed, s.accepted) << most;
    EXPECT_EQ(s.steps + s.accepted, 32u) << most;
  }
}

TEST_F(OfLlama, AnAnswerThatGoesAnotherWayIsFoundAgain) {
  std::vector<int32_t> given = want_.result.tokens;
  given[12] = given[12] == 7 ? 8 : 7;
  const Seen got = speculate({.kind = Kind::kTokens, .most = 4, .adaptive = false, .tokens = given});
  want_.expect(got, "one token wrong");
  EXPECT_GE(got.result.speculation.accepted, 20u);
  EXPECT_GE(got.result.speculation.guessed, got.result.speculation.accepted + 1);
}

// The model drafts for itself: chance is drawn alike, and so everything is foreseen.
TEST_F(OfLlama, ADraftOfTheSameModelIsAlwaysRight) {
  for (const double temperature : {0.0, 0.5}) {
    options_.sampler.settings = {{"temperature", temperature}, {"top_k", 5}};
    options_.sampler.seed = 4;
    auto plain = session_of(subject_, model_);
    const Seen want = run(*plain, prompt_, options_);
    auto draft = session_of(subject_, model_);
    const Seen got = speculate({.kind = Kind::kDraft, .most = 4, .adaptive = false, .draft = draft.get()});
    want.expect(got, "draft");
    EXPECT_GT(got.result.speculation.guessed, 0u);
    EXPECT_EQ(got.result.speculation.guessed, got.result.speculation.accepted);
  }
}

TEST_F(OfLlama, ADraftWithTooSmallAContextStopsGuessing) {
  auto draft = session_of(subject_, model_, 64, 70);
  const Seen got = speculate({.kind = Kind::kDraft, .most = 4, .adaptive = false, .draft = draft.get()});
  want_.expect(got, "small draft");
  EXPECT_LE(got.result.speculation.accepted, 12u);
}

TEST_F(OfLlama, AtTheEndOfTheContext) {
  options_.max_tokens = -1;
  for (const int n_ctx : {61, 64, 75}) {
    auto plain = session_of(subject_, model_, 64, n_ctx);
    const Seen want = run(*plain, prompt_, options_);
    EXPECT_EQ(want.result.finish, FinishReason::kContextFull);
    const Seen got =
        speculate({.kind = Kind::kTokens, .most = 8, .adaptive = false, .tokens = want_.result.tokens}, n_ctx);
    want.expect(got, "context of " + std::to_string(n_ctx));
    EXPECT_GT(got.result.speculation.accepted + (n_ctx < 64 ? 1u : 0u), 0u);
  }
}

// Guesses that are taken and then thought better of: the session goes on from what it holds.
TEST_F(OfLlama, SessionsGoOnFromThere) {
  for (const char* folder : {"llama", "gemma3", "qwen35"}) {
    const auto model = load(data_path(std::string("golden/") + folder + "/model.gguf"));
    const Subject subject{folder, folder, {}};
    auto session = session_of(subject, model);
    auto other = session_of(subject, model);
    ASSERT_TRUE(session->eval(prompt_).ok());
    ASSERT_TRUE(other->eval(prompt_).ok());
    const int32_t sure[] = {4, 5};
    const int32_t guesses[] = {6, 7, 8};
    ASSERT_TRUE(session->eval_ahead(sure, guesses).ok());
    EXPECT_EQ(session->n_ahead(), 3u);
    EXPECT_TRUE(session->take(6));
    EXPECT_FALSE(session->take(9));
    EXPECT_FALSE(session->take(7));
    EXPECT_EQ(session->n_past(), static_cast<int>(prompt_.size()) + 3);
    const int32_t read[] = {4, 5, 6};
    for (const int32_t token : read) ASSERT_TRUE(other->eval({&token, 1}).ok());
    const auto same = [&](const Session& a, const Session& b) {
      return Seen::same({a.logits().begin(), a.logits().end()}, {b.logits().begin(), b.logits().end()});
    };
    EXPECT_TRUE(same(*session, *other)) << folder;
    auto fork = session->fork();
    ASSERT_TRUE(fork.ok());
    auto point = session->checkpoint();
    ASSERT_TRUE(point.ok());
    ASSERT_TRUE(session->eval_ahead({sure, 1}, guesses).ok());
    EXPECT_TRUE(session->take(6));
    ASSERT_TRUE(session->rollback(**point).ok());
    ASSERT_TRUE(session->eval(sure).ok());
    ASSERT_TRUE((*fork)->eval(sure).ok());
    ASSERT_TRUE(other->eval(sure).ok());
    EXPECT_TRUE(same(*session, *other)) << folder;
    EXPECT_TRUE(same(**fork, *other)) << folder;
    ASSERT_TRUE(session->eval_ahead({sure, 1}, guesses).ok());
    EXPECT_TRUE(session->take(6));
    ASSERT_TRUE(session->truncate(30).ok());
    ASSERT_TRUE(other->truncate(30).ok());
    ASSERT_TRUE(session->eval(sure).ok());
    ASSERT_TRUE(other->eval(sure).ok());
    EXPECT_TRUE(same(*session, *other)) << folder;
  }
}

TEST_F(OfLlama, WhatCannotBeIsAnError) {
  const auto message = [&](const SpeculationOptions& speculation) {
    GenerateOptions options = options_;
    options.speculation = speculation;
    auto session = session_of(subject_, model_);
    if (speculation.kind == Kind::kDraft && speculation.most == 30) options.speculation.draft = session.get();
    auto made = generate(*session, prompt_, options);
    EXPECT_TRUE(made.ok() || session->n_past() == 0);
    return made.ok() ? std::string() : made.error().message;
  };
  EXPECT_NE(message({.kind = Kind::kNgram, .most = 0}).find("max is 0, must be 1 to 31"), std::string::npos);
  EXPECT_NE(message({.kind = Kind::kDraft}).find("needs the session of a draft model"), std::string::npos);
  EXPECT_NE(message({.kind = Kind::kDraft, .most = 30}).find("cannot be its own draft"), std::string::npos);
  EXPECT_NE(message({.kind = Kind::kTokens, .tokens = {1, 100000}}).find("token 100000 is outside"), std::string::npos);
  const auto stranger = load(data_path("golden/qwen35/model.gguf"));
  auto draft = session_of({"qwen35", "draft", {}}, stranger);
  EXPECT_NE(message({.kind = Kind::kDraft, .draft = draft.get()}).find("another vocabulary"), std::string::npos);
}

// Several sequences of one engine, each guessing for itself, in common steps.
TEST(SpeculationTogether, SequencesOfAnEngineAreThemselvesAlone) {
  for (const char* folder : {"llama", "gemma3", "qwen35"}) {
    const auto model = load(data_path(std::string("golden/") + folder + "/model.gguf"));
    ASSERT_NE(model, nullptr);
    EngineOptions eo;
    eo.n_threads = 1;
    eo.sequences = 4;
    eo.step_tokens = 24;
    auto engine = Engine::create(model, eo);
    ASSERT_TRUE(engine.ok()) << engine.error().message;
    constexpr size_t kSequences = 6;
    std::vector<Seen> want(kSequences);
    std::vector<Seen> got(kSequences);
    std::vector<GenerateOptions> options(kSequences);
    std::vector<std::vector<int32_t>> prompts(kSequences);
    std::vector<std::unique_ptr<Session>> sessions;
    Subject subject{folder, folder, {}};
    for (size_t i = 0; i < kSequences; ++i) {
      std::mt19937 dice(static_cast<unsigned>(i));
      prompts[i] = prompt_of(dice, 30 + dice() % 50);
      options[i] = random_options(dice);
      options[i].max_tokens = 40;
      options[i].stop.clear();
      subject.kv.budget = i % 3 == 2 ? 64 : 0;
      auto plain = session_of(subject, model);
      want[i] = run(*plain, prompts[i], options[i]);
      options[i].speculation = {.kind = i % 2 == 0 ? Kind::kTokens : Kind::kNgram, .most = 6, .adaptive = i % 3 == 0};
      if (i % 2 == 0) options[i].speculation.tokens = garbled(want[i].result.tokens, dice);
      SessionOptions so;
      so.n_ctx = kContext;
      so.kv = subject.kv;
      auto made = (*engine)->session(so);
      ASSERT_TRUE(made.ok()) << made.error().message;
      sessions.push_back(std::move(made).value());
    }
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kSequences; ++i) {
      threads.emplace_back([&, i] { got[i] = run(*sessions[i], prompts[i], options[i]); });
    }
    for (std::thread& t : threads) t.join();
    size_t accepted = 0;
    for (size_t i = 0; i < kSequences; ++i) {
      want[i].expect(got[i], std::string(folder) + ", sequence " + std::to_string(i));
      accepted += got[i].result.speculation.accepted;
    }
    EXPECT_GT(accepted, 30u) << folder;
  }
}

}  // namespace
}  // namespace kedge::engine
