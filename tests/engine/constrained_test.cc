// Generation under a constraint, whatever it says: tokens without a choice come without a pass of their own, and
// neither that nor guesses change what is chosen.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "engine/engine.h"
#include "engine/generate.h"
#include "tests/engine/golden.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;

constexpr int32_t kWhole = 24;  // tokens of an answer
constexpr int32_t kForced[] = {40, 41, 42};

// Three tokens that leave the rest 0, 1 and 2 by three, then three that are given; four such groups are an answer.
class Beat final : public TokenFilter {
 public:
  bool active() const override { return true; }
  Status allow(TokenBits bits, size_t left) override {
    if (left == 0) return Error{ErrorCode::kCapacity, "nothing is left"};
    const int at = n_ % 6;
    for (size_t id = 0; id < bits.size() * 64; ++id) {
      const bool fits = at < 3 ? static_cast<int>(id % 3) == at : static_cast<int32_t>(id) == kForced[at - 3];
      if (!fits) bits[id / 64] &= ~(uint64_t{1} << (id % 64));
    }
    return {};
  }
  Status accept(int32_t token) override {
    const int at = n_ % 6;
    const bool fits = at < 3 ? token % 3 == at : token == kForced[at - 3];
    if (!fits) return Error{ErrorCode::kInvalidArgument, "token " + std::to_string(token) + " is out of beat"};
    ++n_;
    return {};
  }
  size_t forced(std::span<int32_t> out, size_t left) override {
    size_t n = 0;
    for (int at = n_ % 6; at >= 3 && at < 6 && n < std::min(out.size(), left); ++at) out[n++] = kForced[at - 3];
    return n;
  }
  bool over() const override { return n_ == kWhole; }
  bool may_end() const override { return n_ % 6 == 0; }

 private:
  int n_ = 0;
};

class BeatConstraint final : public grammar::Constraint {
 public:
  std::unique_ptr<TokenFilter> filter() const override { return std::make_unique<Beat>(); }
  size_t bytes() const override { return 0; }
  double compile_ms() const override { return 0; }
};

class Constrained : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    model_ = load(data_path(std::string("golden/") + GetParam() + "/model.gguf"));
    ASSERT_NE(model_, nullptr);
    options_.ignore_eos = true;
    options_.constraint = std::make_shared<BeatConstraint>();
    options_.sampler.settings = {{"temperature", 0.8}};
    options_.sampler.seed = 5;
  }
  std::unique_ptr<Session> session(int n_ctx = 128) const {
    SessionOptions o;
    o.n_ctx = n_ctx;
    o.n_threads = 1;
    auto made = Session::create(model_, o);
    EXPECT_TRUE(made.ok()) << made.error().message;
    return std::move(made).value();
  }
  GenerateResult run(Session& s, const GenerateOptions& options, const GenerateCallbacks& callbacks = {}) const {
    const int32_t prompt[] = {9, 8, 7, 9, 8, 7, 3};
    auto made = generate(s, prompt, options, callbacks);
    EXPECT_TRUE(made.ok()) << made.error().message;
    return made.ok() ? std::move(made).value() : GenerateResult();
  }
  static void expect_all_but_the_last(const Session& s, const GenerateResult& r) {
    ASSERT_EQ(s.tokens().size(), 7 + r.tokens.size() - 1);
    EXPECT_TRUE(std::equal(s.tokens().begin() + 7, s.tokens().end(), r.tokens.begin()));
  }

  std::shared_ptr<const Model> model_;
  GenerateOptions options_;
};

TEST_P(Constrained, GivenTokensTakeNoStepOfTheirOwn) {
  auto s = session();
  const GenerateResult r = run(*s, options_);
  ASSERT_EQ(r.tokens.size(), static_cast<size_t>(kWhole));
  EXPECT_EQ(r.finish, FinishReason::kStopToken);
  EXPECT_FALSE(r.unfinished);
  for (size_t i = 3; i < r.tokens.size(); i += 6) EXPECT_EQ(r.tokens[i], kForced[0]);
  expect_all_but_the_last(*s, r);
  // The prompt's; then two in each group, and one for what is given, with the last token chosen.
  EXPECT_EQ(s->engine()->stats().steps, 1u + 3 * 4);
  // The logits the session has are those of its last token.
  auto other = session();
  ASSERT_TRUE(other->eval(s->tokens()).ok());
  EXPECT_EQ(0, std::memcmp(other->logits().data(), s->logits().data(), s->logits().size_bytes()));
}

TEST_P(Constrained, LogprobsOfGivenTokensAreThere) {
  auto s = session();
  const GenerateResult want = run(*s, options_);
  GenerateOptions options = options_;
  options.logprobs = 1;
  auto with = session();
  size_t at = 0;
  std::vector<std::vector<float>> seen;
  const GenerateResult r = run(*with, options, {.on_token = [&](int32_t token, std::span<const TokenLogprob> top) {
    EXPECT_EQ(token, want.tokens[at++]);
    EXPECT_EQ(top.size(), 2u);
    seen.emplace_back(with->logits().begin(), with->logits().end());
    return true;
  }});
  EXPECT_EQ(r.tokens, want.tokens);
  expect_all_but_the_last(*with, r);
  std::vector<float> rows;
  auto other = session();
  ASSERT_TRUE(other
                  ->eval_all(with->tokens(),
                             [&](int position, std::span<const float> row) -> Status {
                               if (position >= 6) rows.insert(rows.end(), row.begin(), row.end());
                               return {};
                             })
                  .ok());
  for (size_t i = 0; i < r.tokens.size(); ++i) {
    const auto row = std::span(rows).subspan(i * seen[i].size(), seen[i].size());
    ASSERT_EQ(0, std::memcmp(row.data(), seen[i].data(), row.size_bytes())) << i;
    TokenLogprob two[2];
    log_probabilities(row, r.tokens[i], two);
    EXPECT_EQ(r.logprobs[2 * i].logprob, two[0].logprob) << i;
    EXPECT_EQ(r.logprobs[2 * i + 1].token, two[1].token) << i;
  }
}

TEST_P(Constrained, GuessesChangeNothing) {
  for (const int logprobs : {-1, 0}) {
    options_.logprobs = logprobs;
    auto s = session();
    const GenerateResult want = run(*s, options_);
    for (const bool right : {true, false}) {
      GenerateOptions options = options_;
      options.speculation = {
          .kind = SpeculationOptions::Kind::kTokens, .most = 5, .adaptive = false, .tokens = want.tokens};
      for (size_t i = 0; i < options.speculation.tokens.size() && !right; i += 5) options.speculation.tokens[i] = 11;
      auto guessing = session();
      const GenerateResult got = run(*guessing, options);
      EXPECT_EQ(got.tokens, want.tokens);
      EXPECT_EQ(got.finish, want.finish);
      EXPECT_EQ(got.unfinished, want.unfinished);
      ASSERT_EQ(got.logprobs.size(), want.logprobs.size());
      for (size_t i = 0; i < got.logprobs.size(); ++i) EXPECT_EQ(got.logprobs[i].logprob, want.logprobs[i].logprob);
      expect_all_but_the_last(*guessing, got);
      EXPECT_EQ(0, std::memcmp(guessing->logits().data(), s->logits().data(), s->logits().size_bytes()));
      if (right) {
        EXPECT_LT(guessing->engine()->stats().steps, s->engine()->stats().steps);
      }
    }
  }
}

TEST_P(Constrained, CutOffItIsUnfinished) {
  auto whole = session();
  const std::vector<int32_t> all = run(*whole, options_).tokens;
  for (int most = 1; most <= 13; ++most) {
    options_.max_tokens = most;
    auto s = session();
    const GenerateResult r = run(*s, options_);
    EXPECT_EQ(r.tokens, std::vector<int32_t>(all.begin(), all.begin() + most));
    EXPECT_EQ(r.finish, FinishReason::kLength);
    EXPECT_EQ(r.unfinished, most % 6 != 0);
    expect_all_but_the_last(*s, r);
  }
  options_.max_tokens = -1;
  for (const int n_ctx : {10, 11, 12, 13}) {
    auto s = session(n_ctx);
    const GenerateResult r = run(*s, options_);
    EXPECT_EQ(r.finish, FinishReason::kContextFull);
    EXPECT_EQ(r.tokens.size(), static_cast<size_t>(n_ctx - 7 + 1));
    EXPECT_TRUE(r.unfinished || r.tokens.size() == 6);
    expect_all_but_the_last(*s, r);
  }
}

TEST_P(Constrained, CancelledAmongGivenTokens) {
  auto s = session();
  size_t n = 0;
  const GenerateResult r =
      run(*s, options_, {.on_token = [&](int32_t, std::span<const TokenLogprob>) { return ++n < 5; }});
  EXPECT_EQ(r.finish, FinishReason::kCancelled);
  EXPECT_EQ(r.tokens.size(), 5u);
  EXPECT_TRUE(r.unfinished);
  // What was chosen and not read yet is not in the session: all it holds is the answer's beginning.
  ASSERT_LE(s->tokens().size(), 7 + r.tokens.size() - 1);
  EXPECT_TRUE(std::equal(s->tokens().begin() + 7, s->tokens().end(), r.tokens.begin()));
}

INSTANTIATE_TEST_SUITE_P(Models, Constrained, ::testing::Values("llama", "gemma3", "qwen35"));

}  // namespace
}  // namespace kedge::engine
