// The guesses of one generation: who makes them, how many are worth a step, and what became of them.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>

#include "engine/guess/guesser.h"
#include "engine/guess/pace.h"

namespace kedge::engine {

class Speculation {
 public:
  Speculation() : pace_(1) {}  // none
  Speculation(std::unique_ptr<Guesser> guesser, const SpeculationOptions& options)
      : guesser_(std::move(guesser)), pace_(options.most), options_(options) {}

  void begin(std::span<const int32_t> text);
  // The next token of the answer; `taken`: it had been evaluated as a guess.
  void chosen(int32_t token, bool taken);
  // What may follow, to be evaluated with the next step; at most `room`. Valid until the next one.
  std::span<const int32_t> guess(size_t room);
  // The step is done, with so many of the guesses; `wanted`: tokens it was asked for beside them.
  void evaluated(size_t wanted, size_t guesses, const StepCost& step);

  const SpeculationResult& result() const { return result_; }

 private:
  void stop(const std::string& why);
  size_t worth_asking(size_t most);

  std::unique_ptr<Guesser> guesser_;
  Pace pace_;
  SpeculationOptions options_;
  SpeculationResult result_;
  std::array<int32_t, kMostGuesses> tokens_{};
  int kind_ = kGuessKinds - 1;
  bool knows_cost_ = false;
  size_t watched_ = 0;  // of the tokens: compared with what is chosen
  size_t came_ = 0;     // of those
  double asking_s_ = 0;
};

}  // namespace kedge::engine
