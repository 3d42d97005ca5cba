#include "engine/guess/prediction.h"

namespace kedge::engine {

// Reads the text without its last token, and then that: the second one's time is what others will take.
Result<double> PredictionGuesser::cost_s() {
  const auto before = std::span<const int32_t>(text_).first(text_.empty() ? 0 : text_.size() - 1);
  if (!Predictor::can_read(before, session_.states())) return 0.0;
  KEDGE_TRY(predictor_.read(before, session_.states(), hooks_));
  KEDGE_TRY(predictor_.read(text_, session_.states(), hooks_));
  return predictor_.last_step_s();
}

Result<Guess> PredictionGuesser::guess(std::span<int32_t> out) {
  Guess guess{.n = 0, .kind = kGuessKinds - 1};
  if (out.empty() || !Predictor::can_read(text_, session_.states())) return guess;
  KEDGE_TRY(predictor_.read(text_, session_.states(), hooks_));
  const size_t before = text_.size();
  for (;;) {
    KEDGE_ASSIGN(token, choose_if_likely(sampler_, predictor_.logits(), text_));
    if (token < 0) break;
    out[guess.n++] = token;
    if (guess.n == out.size()) break;
    text_.push_back(token);
    KEDGE_TRY(predictor_.read_ahead(token, hooks_));
  }
  text_.resize(before);
  return guess;
}

}  // namespace kedge::engine
