// Beam search against a search through everything, and against the algorithm as it is stated, both with logits of
// sequences that are evaluated alone.
#include "engine/beam_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/engine.h"
#include "engine/token_filter.h"
#include "tests/engine/golden.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;

using Tokens = std::vector<int32_t>;
const Tokens kPrompt = {5, 17, 99, 23, 42};

// Some tokens may come; those for which `last` holds are an answer's last one.
struct Rules {
  std::function<bool(int32_t)> may = [](int32_t) { return true; };
  std::function<bool(const Tokens&)> last = [](const Tokens&) { return false; };
  bool whole = true;  // an answer may end anywhere
};

class RuleFilter final : public TokenFilter {
 public:
  explicit RuleFilter(const Rules& rules) : rules_(rules) {}
  bool active() const override { return true; }
  Status allow(TokenBits bits, size_t) override {
    for (size_t i = 0; i < bits.size() * 64; ++i) {
      if (!rules_.may(static_cast<int32_t>(i))) bits[i / 64] &= ~(uint64_t{1} << (i % 64));
    }
    return {};
  }
  Status accept(int32_t token) override {
    if (!rules_.may(token)) return Error{ErrorCode::kInvalidArgument, "not allowed"};
    so_far_.push_back(token);
    return {};
  }
  size_t forced(std::span<int32_t>, size_t) override { return 0; }
  bool over() const override { return rules_.last(so_far_); }
  bool may_end() const override { return rules_.whole; }

 private:
  const Rules& rules_;
  Tokens so_far_;
};

class RuleConstraint final : public grammar::Constraint {
 public:
  explicit RuleConstraint(Rules rules) : rules_(std::move(rules)) {}
  std::unique_ptr<TokenFilter> filter() const override { return std::make_unique<RuleFilter>(rules_); }
  size_t bytes() const override { return 0; }
  double compile_ms() const override { return 0; }

 private:
  Rules rules_;
};

class BeamSearch : public testing::Test {
 protected:
  void SetUp() override {
    model_ = load(data_path("golden/llama/model.gguf"));
    EngineOptions o;
    o.n_threads = 2;
    o.sequences = 64;
    o.step_tokens = 64;
    auto engine = Engine::create(model_, o);
    ASSERT_TRUE(engine.ok()) << engine.error().message;
    engine_ = *engine;
    eog_ = model_->tokenizer().vocab().eog_ids;
    ASSERT_FALSE(eog_.empty());
    suppressed_ = model_->tokenizer().vocab().suppress_ids;
  }

  std::unique_ptr<Session> session(int n_ctx = 64) {
    SessionOptions o;
    o.n_ctx = n_ctx;
    auto made = engine_->session(o);
    EXPECT_TRUE(made.ok());
    return std::move(made).value();
  }

  // Log-probabilities of what comes behind the prompt and `tokens`, by a session of its own.
  const std::vector<double>& behind(const Tokens& tokens) {
    auto& known = known_[tokens];
    if (!known.empty()) return known;
    Tokens all = kPrompt;
    all.insert(all.end(), tokens.begin(), tokens.end());
    SessionOptions o;
    o.n_ctx = 64;
    o.n_threads = 1;
    if (alone_ == nullptr) alone_ = Session::create(model_, o).value();
    EXPECT_TRUE(alone_->truncate(0).ok());
    EXPECT_TRUE(alone_->eval(all).ok());
    const auto logits = alone_->logits();
    const double best = *std::max_element(logits.begin(), logits.end());
    double total = 0;
    for (const float l : logits) total += std::exp(l - best);
    for (const float l : logits) known.push_back(l - best - std::log(total));
    return known;
  }

  bool ends(int32_t token) const { return std::find(eog_.begin(), eog_.end(), token) != eog_.end(); }

  BeamResult search(const BeamOptions& options) {
    auto s = session();
    auto result = beam_search(*s, kPrompt, options);
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
    return result.ok() ? std::move(result).value() : BeamResult();
  }

  std::shared_ptr<const Model> model_;
  std::shared_ptr<Engine> engine_;
  Tokens eog_;
  Tokens suppressed_;
  std::unique_ptr<Session> alone_;
  std::map<Tokens, std::vector<double>> known_;
};

struct Scored {
  Tokens tokens;
  double logprob;
  double score;
};

double score(double logprob, size_t n, double penalty) { return logprob / std::pow(static_cast<double>(n), penalty); }

void expect_same(const BeamResult& got, const std::vector<Scored>& want) {
  ASSERT_EQ(got.answers.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got.answers[i].tokens, want[i].tokens) << i;
    EXPECT_NEAR(got.answers[i].logprob, want[i].logprob, 1e-9) << i;
    EXPECT_NEAR(got.answers[i].score, want[i].score, 1e-9) << i;
  }
}

// Three tokens, one of which ends: with room for every beginning the search is one through all 63 answers.
TEST_F(BeamSearch, WithRoomForAllItFindsTheBestOfAll) {
  const int32_t stop = eog_.front();
  Rules rules;
  rules.may = [stop](int32_t t) { return t == 7 || t == 31 || t == stop; };
  for (const double penalty : {0.0, 1.0, 3.0}) {
    std::vector<Scored> all;
    const auto visit = [&](auto& self, const Tokens& tokens, double logprob) -> void {
      for (const int32_t token : {7, 31, stop}) {
        Tokens more = tokens;
        more.push_back(token);
        const double sum = logprob + behind(tokens)[static_cast<size_t>(token)];
        if (token == stop || more.size() == 5) {
          all.push_back({more, sum, score(sum, more.size(), penalty)});
        } else {
          self(self, more, sum);
        }
      }
    };
    visit(visit, {}, 0);
    ASSERT_EQ(all.size(), 63u);
    std::stable_sort(all.begin(), all.end(), [](const Scored& a, const Scored& b) { return a.score > b.score; });
    BeamOptions o;
    o.beams = 63;
    o.max_tokens = 5;
    o.length_penalty = penalty;
    o.stop = BeamStop::kProven;
    o.constraint = std::make_shared<RuleConstraint>(rules);
    expect_same(search(o), all);
    o.n_best = 4;
    all.resize(4);
    expect_same(search(o), all);
  }
}

// The algorithm word for word.
class Plain {
 public:
  Plain(const BeamOptions& o, const Rules& rules) : o_(o), rules_(rules) {}

  template <class Behind, class Ends>
  std::vector<Scored> run(Behind&& behind, Ends&& ends, const Tokens& suppressed) {
    const auto wanted = static_cast<size_t>(o_.beams);
    const size_t n_best = o_.n_best == 0 ? wanted : static_cast<size_t>(o_.n_best);
    std::vector<Scored> beams = {{{}, 0, 0}};
    for (int step = 1;; ++step) {
      std::vector<Scored> pairs;
      for (const Scored& b : beams) {
        const std::vector<double>& p = behind(b.tokens);
        for (size_t t = 0; t < p.size(); ++t) {
          const auto id = static_cast<int32_t>(t);
          if (!rules_.may(id) || std::find(suppressed.begin(), suppressed.end(), id) != suppressed.end()) continue;
          pairs.push_back({b.tokens, b.logprob + p[t], 0});
          pairs.back().tokens.push_back(id);
        }
      }
      std::stable_sort(pairs.begin(), pairs.end(), [](auto& a, auto& b) { return a.logprob > b.logprob; });
      beams.clear();
      for (size_t rank = 0; rank < pairs.size() && beams.size() < wanted; ++rank) {
        if (!ends(pairs[rank].tokens.back()) && !rules_.last(pairs[rank].tokens)) {
          beams.push_back(pairs[rank]);
        } else if (rank < wanted) {
          answer(pairs[rank]);
        }
      }
      if (step == o_.max_tokens) {
        for (const Scored& b : beams) answer(b);
        beams.clear();
      }
      std::stable_sort(answers_.begin(), answers_.end(), [](auto& a, auto& b) { return a.score > b.score; });
      answers_.resize(std::min(answers_.size(), n_best));
      if (beams.empty()) return answers_;
      if (answers_.size() < n_best) continue;
      const int length = o_.stop == BeamStop::kProven ? o_.max_tokens : step;
      const double open = score(beams.front().logprob, static_cast<size_t>(length), o_.length_penalty);
      if (o_.stop == BeamStop::kFirst || answers_.back().score >= open) return answers_;
    }
  }

 private:
  void answer(Scored s) {
    s.score = score(s.logprob, s.tokens.size(), o_.length_penalty);
    answers_.push_back(std::move(s));
  }
  const BeamOptions& o_;
  const Rules& rules_;
  std::vector<Scored> answers_;
};

TEST_F(BeamSearch, DoesWhatItsDefinitionSays) {
  Rules free;
  Rules odd_ends;  // half of all tokens end an answer: more are looked at than beams and ends of text
  odd_ends.last = [](const Tokens& t) { return t.back() % 2 == 1; };
  Rules third;  // depends on all tokens before
  third.may = [](int32_t t) { return t % 3 != 0; };
  third.last = [](const Tokens& t) { return t.size() >= 3 && (t[0] + t[1] + t[2]) % 4 == 1; };
  int ended = 0;
  for (const Rules* rules : {&free, &odd_ends, &third}) {
    for (const int beams : {1, 2, 5}) {
      for (const BeamStop stop : {BeamStop::kFirst, BeamStop::kAsTheyStand, BeamStop::kProven}) {
        for (const double penalty : {0.0, 1.0}) {
          BeamOptions o;
          o.beams = beams;
          o.n_best = beams == 5 ? 3 : 0;
          o.max_tokens = 6;
          o.length_penalty = penalty;
          o.stop = stop;
          o.constraint = std::make_shared<RuleConstraint>(*rules);
          const auto want = Plain(o, *rules).run(
              [&](const Tokens& t) -> auto& { return behind(t); }, [&](int32_t t) { return ends(t); }, suppressed_);
          const BeamResult got = search(o);
          expect_same(got, want);
          for (const BeamAnswer& a : got.answers) {
            EXPECT_EQ(a.finish == FinishReason::kLength, a.tokens.size() == 6 && !rules->last(a.tokens));
            ended += a.finish == FinishReason::kStopToken ? 1 : 0;
          }
        }
      }
    }
  }
  EXPECT_GT(ended, 30);
}

// Six tokens of the prompt and the search: the steps of the engine are as many as those of the longest answer.
TEST_F(BeamSearch, AStepHoldsAllBeamsAndPagesAreShared) {
  auto s = session();
  ASSERT_TRUE(s->eval(kPrompt).ok());
  const std::vector<float> logits(s->logits().begin(), s->logits().end());
  const EngineStats before = engine_->stats();
  BeamOptions o;
  o.beams = 16;
  o.max_tokens = 8;
  auto result = beam_search(*s, {}, o);
  ASSERT_TRUE(result.ok());
  const EngineStats after = engine_->stats();
  EXPECT_EQ(result->steps, 7u);  // the last token is not evaluated
  EXPECT_EQ(after.steps - before.steps, result->steps);
  EXPECT_EQ(after.decode_rows - before.decode_rows, 16 * result->steps);
  EXPECT_EQ(after.pages_in_use, before.pages_in_use);
  EXPECT_EQ(after.sequences, before.sequences);
  EXPECT_EQ(Tokens(s->tokens().begin(), s->tokens().end()), kPrompt);
  EXPECT_TRUE(std::equal(logits.begin(), logits.end(), s->logits().begin(), s->logits().end()));
  EXPECT_EQ(result->n_prompt, 0u);
}

TEST_F(BeamSearch, EndsWithTheContext) {
  auto s = session(static_cast<int>(kPrompt.size()) + 3);
  BeamOptions o;
  o.beams = 2;
  auto result = beam_search(*s, kPrompt, o);
  ASSERT_TRUE(result.ok());
  for (const BeamAnswer& a : result->answers) {
    EXPECT_EQ(a.tokens.size(), 4u);  // one more than there is room for: it is not evaluated
    EXPECT_EQ(a.finish, FinishReason::kContextFull);
  }
}

TEST_F(BeamSearch, ErrorsNameTheOption) {
  auto s = session();
  const auto error = [&](BeamOptions o, const Tokens& prompt = kPrompt) {
    const auto result = beam_search(*s, prompt, o);
    return result.ok() ? std::string() : result.error().message;
  };
  EXPECT_EQ(error({.beams = 0}), "beams = 0, must be 1 to 256");
  EXPECT_EQ(error({.beams = 2, .n_best = 3}), "n_best = 3, must be 0 (all) to the number of beams, 2");
  EXPECT_EQ(error({.max_tokens = 0}), "max_tokens = 0, must be positive, or -1: no limit");
  EXPECT_EQ(error({.length_penalty = -1}), "length_penalty = -1.000000, must be 0 to 10");
  EXPECT_EQ(error({}, {}), "the prompt is empty and the session has no logits to go on from");
  Rules none;
  none.may = [](int32_t) { return false; };
  EXPECT_EQ(error({.constraint = std::make_shared<RuleConstraint>(none)}),
            "there is no answer: the constraint and what the vocabulary suppresses leave no token");
  std::atomic<bool> cancel{true};
  auto fresh = session();
  const auto cancelled = beam_search(*fresh, kPrompt, {.cancel = &cancel});
  ASSERT_FALSE(cancelled.ok());
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
  auto own = Session::create(model_, {.n_ctx = 32, .n_threads = 1, .kv = {}});
  ASSERT_TRUE(own.ok());
  const auto refused = beam_search(**own, kPrompt, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  Session* twice[] = {fresh.get(), fresh.get()};
  EXPECT_FALSE(Session::eval_together(twice, Tokens{1, 2}).ok());
}

}  // namespace
}  // namespace kedge::engine
