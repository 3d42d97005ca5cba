// Guesses what the model's own block for further tokens says, which sees what the model thought of the last one.
#pragma once

#include <vector>

#include "engine/guess/guesser.h"
#include "engine/guess/predictor.h"
#include "engine/sampler.h"

namespace kedge::engine {

class PredictionGuesser final : public Guesser {
 public:
  // Both outlive it; the predictor is the session's.
  PredictionGuesser(const Session& session, Predictor& predictor, Sampler sampler, EvalHooks hooks)
      : session_(session), predictor_(predictor), sampler_(std::move(sampler)), hooks_(hooks) {}

  Status begin(std::span<const int32_t> text) override {
    text_.assign(text.begin(), text.end());
    return {};
  }
  void add(int32_t token) override { text_.push_back(token); }
  Result<Guess> guess(std::span<int32_t> out) override;
  bool is_free() const override { return false; }
  Result<double> cost_s() override;

 private:
  const Session& session_;
  Predictor& predictor_;
  Sampler sampler_;
  EvalHooks hooks_;
  std::vector<int32_t> text_;  // with the answer
};

}  // namespace kedge::engine
