// Guesses what a small model with the same vocabulary says (speculative decoding; Leviathan, Kalman and Matias 2023).
// The small model is sampled like the large one, with the same random numbers: where they think alike, they choose
// alike.
#pragma once

#include <vector>

#include "engine/guess/guesser.h"
#include "engine/sampler.h"
#include "engine/session.h"

namespace kedge::engine {

class DraftGuesser final : public Guesser {
 public:
  // The session outlives it, is used by nobody else meanwhile, and is brought to the tokens of the text.
  DraftGuesser(Session& draft, Sampler sampler, EvalHooks hooks, size_t n_vocab)
      : draft_(draft), sampler_(std::move(sampler)), hooks_(hooks), n_vocab_(n_vocab) {}

  Status begin(std::span<const int32_t> text) override {
    text_.assign(text.begin(), text.end());
    return {};
  }
  void add(int32_t token) override { text_.push_back(token); }
  Result<Guess> guess(std::span<int32_t> out) override;
  bool is_free() const override { return false; }
  Result<double> cost_s() override;

 private:
  bool fits() const { return !text_.empty() && text_.size() <= static_cast<size_t>(draft_.n_ctx()); }
  void find_common();
  Status read(size_t n);

  Session& draft_;
  Sampler sampler_;
  EvalHooks hooks_;
  size_t n_vocab_;             // of the model that is guessed for
  std::vector<int32_t> text_;  // with the answer
  size_t common_ = 0;          // tokens that the draft has read of it
};

// Errors (kInvalidArgument): a token of one is not the same token of the other.
Status check_same_vocabulary(const Tokenizer& model, const Tokenizer& draft);

}  // namespace kedge::engine
