// How many guesses a step is worth: as many as give the most tokens for the time, by how often guesses of their kind
// were right and by what steps with them took. It knows no clock: times are told.
#pragma once

#include <array>
#include <cstddef>

#include "engine/guess/guesser.h"
#include "engine/session.h"

namespace kedge::engine {

class Pace {
 public:
  explicit Pace(int most);

  // Tokens to evaluate of a guess of that kind that has `available` of them; 0: it does not pay.
  size_t worth(int kind, size_t available) const;
  // The same; where it does not pay, now and then a few all the same, so that it is noticed when they begin to.
  size_t choose(int kind, size_t available);
  // So many guesses of a kind came, and then another token or not.
  void came(int kind, size_t n, bool then_another);
  // A step with so many guesses took so long, and asking for them so long.
  void took(size_t guesses, const StepCost& step, double asking_s);
  // One without guesses had to evaluate tokens again, because the one before could not keep a part of its own.
  void repeated(const StepCost& step);

  // What a guess will take, before any was asked for.
  void asks(double guess_s);
  bool knows_steps() const { return plain_s_.n >= 2; }
  // Whether guesses could pay if they were right as often as good ones are.
  bool could_pay() const;

  // What a step with n guesses takes, in units of one without.
  double relative_cost(size_t n) const { return 1 + row_.value * static_cast<double>(n); }

 private:
  // A time that others on the machine make longer now and then, never shorter: follows what is short.
  struct Low {
    double value = 0;
    double n = 0;
    void add(double x);
  };
  struct Mean {  // of few values their mean, of many mostly the latest
    double value = 0;
    double n = 0;
    void add(double x);
  };
  struct Kind {
    double chance = 0;  // that the next guess is right
    double n = 2;       // seen
  };
  double gain(double chance, size_t n) const;
  size_t best(double chance, size_t available) const;

  size_t most_;
  std::array<Kind, kGuessKinds> kinds_;
  Low plain_s_;                    // a step without guesses
  Low row_{.value = 0.1, .n = 2};  // what a guess adds to it, in units of that
  Low asking_;                     // for a guess, likewise
  Mean repeating_;                 // when a guess was wrong, likewise
  Mean others_;                    // other sequences in the step
  size_t idle_ = 0;                // times in a row that it did not pay
};

}  // namespace kedge::engine
