#include "engine/guess/predictor.h"

#include <algorithm>

#include "engine/generate.h"

namespace kedge::engine {

Result<std::unique_ptr<Predictor>> Predictor::make(const Session& of) {
  KEDGE_ASSIGN(model, of.model().prediction());
  SessionOptions options;
  options.n_ctx = std::min(kReach, of.n_ctx()) + kMostGuesses;
  options.n_threads = of.n_threads();
  options.kv_type = of.options().kv_type;
  options.numerics = of.options().numerics;
  KEDGE_ASSIGN(block, Session::create(std::move(model), options));
  block->keep_states(1);
  return std::unique_ptr<Predictor>(new Predictor(std::move(block)));
}

bool Predictor::can_read(std::span<const int32_t> text, const StateRows& states) {
  const auto last = static_cast<int>(text.size()) - 1;
  return last > 0 && states.first() < last && states.end() >= last;
}

Status Predictor::read(std::span<const int32_t> text, const StateRows& states, const EvalHooks& hooks) {
  const auto end = static_cast<int>(text.size()) - 1;  // of the states it reads
  const auto known = block_->tokens();
  int common = 0;
  const int most = std::min(static_cast<int>(known.size()), end - base_ - 1);  // the last one's logits are asked for
  while (common < most && known[static_cast<size_t>(common)] == text[static_cast<size_t>(base_ + common + 1)]) {
    ++common;
  }
  if (base_ + common < states.first() || end - base_ > block_->n_ctx() - kMostGuesses) {
    base_ = std::max(states.first(), end - (block_->n_ctx() - kMostGuesses) / 2);
    common = 0;
  }
  KEDGE_TRY(block_->truncate(common));
  const int from = base_ + common;
  const auto tokens = text.subspan(static_cast<size_t>(from) + 1, static_cast<size_t>(end - from));
  return block_->eval_given(tokens, states.rows(from, end), hooks);
}

Status Predictor::read_ahead(int32_t token, const EvalHooks& hooks) {
  const int last = block_->n_past() - 1;
  const auto row = block_->states().rows(last, last + 1);
  return block_->eval_given({&token, 1}, std::vector<float>(row.begin(), row.end()), hooks);
}

}  // namespace kedge::engine
