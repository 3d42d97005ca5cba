// Who says which tokens may come next. A guess costs time only: what is chosen never depends on it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/generate.h"
#include "engine/sampler.h"
#include "kernels/base/result.h"

namespace kedge::engine {

// Guesses that deserve equal trust are of one kind: how often they were right is counted by kind. What matched some of
// the text before is of a kind the higher, the longer the match; the last is of everything else.
inline constexpr int kGuessKinds = 8;

struct Guess {
  size_t n = 0;  // tokens
  int kind = 0;  // 0 to kGuessKinds - 1
};

class Guesser {
 public:
  virtual ~Guesser() = default;
  // The text before the answer. Errors as guess().
  virtual Status begin(std::span<const int32_t> text) = 0;
  // The next token of the answer.
  virtual void add(int32_t token) = 0;
  // Writes up to out.size() tokens that may follow. Errors end the guessing, not the generation.
  virtual Result<Guess> guess(std::span<int32_t> out) = 0;
  // It takes no time to speak of, and may be asked only to see whether it would have been right.
  virtual bool is_free() const = 0;
  // Seconds a guess will take; of one that is not free, before it is asked for the first time. Errors as guess().
  virtual Result<double> cost_s() { return 0.0; }
};

// What a guesser with logits of its own chooses; negative where it gives that too little to be worth a row of the
// model.
Result<int32_t> choose_if_likely(Sampler& sampler, std::span<const float> logits, std::span<const int32_t> history);

// Null: no speculation. `sampling`: as the generation does. Errors: kInvalidArgument (a number outside its range,
// tokens outside the vocabulary, no draft), kUnsupported (the model has no block that predicts further tokens).
// `session` is what is generated with, if it is a real one.
Result<std::unique_ptr<Guesser>> make_guesser(const GenerateOptions& options, const SamplerOptions& sampling,
                                              const std::atomic<bool>* cancel, size_t n_vocab, Session* session);

}  // namespace kedge::engine
