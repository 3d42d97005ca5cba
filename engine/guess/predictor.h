// The block of a model that predicts further tokens, reading along with a sequence: of every token its embedding and
// the model's hidden state of the token before. What it needs of the sequence is Session::states().
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/session.h"

namespace kedge::engine {

class Predictor {
 public:
  // It sees at most so many tokens back, and their states are kept.
  static constexpr int kReach = 1024;

  // Errors: those of Model::prediction() and Session::create().
  static Result<std::unique_ptr<Predictor>> make(const Session& of);

  // Whether read() has something to read: the states of the last tokens are there.
  static bool can_read(std::span<const int32_t> text, const StateRows& states);
  // Reads what is new of the text, of whose last token there is no state yet. Afterwards logits() are of the token that
  // follows. Errors: those of eval().
  Status read(std::span<const int32_t> text, const StateRows& states, const EvalHooks& hooks);
  // One more token that may follow, with the block's own state; the next read() forgets it.
  Status read_ahead(int32_t token, const EvalHooks& hooks);
  std::span<const float> logits() const { return block_->logits(); }
  double last_step_s() const { return block_->last_step().seconds; }

 private:
  explicit Predictor(std::unique_ptr<Session> block) : block_(std::move(block)) {}

  std::unique_ptr<Session> block_;  // its token i is that behind position base_ + i of the text
  int base_ = 0;
};

}  // namespace kedge::engine
