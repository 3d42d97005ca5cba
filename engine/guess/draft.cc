#include "engine/guess/draft.h"

#include <algorithm>

namespace kedge::engine {

Status check_same_vocabulary(const Tokenizer& model, const Tokenizer& draft) {
  const auto differ = [](const std::string& how) {
    return Error{ErrorCode::kInvalidArgument, "the draft model has another vocabulary: " + how};
  };
  if (model.size() != draft.size()) {
    return differ(std::to_string(draft.size()) + " tokens in place of " + std::to_string(model.size()));
  }
  for (int32_t id = 0; id < model.size(); ++id) {
    if (model.piece(id) != draft.piece(id) || model.is_control(id) != draft.is_control(id)) {
      return differ("token " + std::to_string(id) + " is '" + std::string(draft.piece(id)) + "' in place of '" +
                    std::string(model.piece(id)) + "'");
    }
  }
  return {};
}

// Reads on by two tokens, one after the other: the second one's time is what others will take.
Result<double> DraftGuesser::cost_s() {
  if (!fits()) return 0.0;
  find_common();
  const size_t n = std::min(common_ + 2, text_.size());
  for (size_t at = common_ + 1; at <= n; ++at) KEDGE_TRY(read(at));
  return draft_.last_step().seconds;
}

// The last token of the text is always read again, for its logits.
void DraftGuesser::find_common() {
  const auto known = draft_.tokens();
  const size_t most = std::min(known.size(), text_.size() - 1);
  common_ = std::min(common_, most);
  while (common_ < most && known[common_] == text_[common_]) ++common_;
}

// Brings the draft to the first n tokens of the text, more than are common: guesses that did not come are forgotten.
Status DraftGuesser::read(size_t n) {
  if (draft_.tokens().size() > common_) KEDGE_TRY(draft_.truncate(static_cast<int>(common_)));
  const auto missing = std::span<const int32_t>(text_).subspan(common_, n - common_);
  KEDGE_TRY(missing.size() > kMostGuesses ? draft_.eval(missing, hooks_) : draft_.eval_ahead(missing, {}, hooks_));
  common_ = n;
  return {};
}

Result<Guess> DraftGuesser::guess(std::span<int32_t> out) {
  if (out.empty() || !fits()) return Guess{};
  find_common();
  KEDGE_TRY(read(text_.size()));
  Guess guess{.n = 0, .kind = kGuessKinds - 1};
  for (;;) {
    KEDGE_ASSIGN(token, choose_if_likely(sampler_, draft_.logits(), draft_.tokens()));
    if (token < 0 || static_cast<size_t>(token) >= n_vocab_) break;
    out[guess.n++] = token;
    if (guess.n == out.size() || draft_.tokens().size() >= static_cast<size_t>(draft_.n_ctx())) break;
    KEDGE_TRY(draft_.eval_ahead({&token, 1}, {}, hooks_));
  }
  return guess;
}

}  // namespace kedge::engine
