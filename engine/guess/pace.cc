#include "engine/guess/pace.h"

#include <algorithm>

namespace kedge::engine {

namespace {

constexpr double kLatest = 0.1;   // least weight of the latest value
constexpr double kShorter = 0.3;  // of a time that is shorter than those before
constexpr double kLonger = 0.03;  // of one that is longer
// What is thought of kinds before any guess was seen: of matches by their length, and of the rest.
constexpr double kFirstChances[kGuessKinds] = {0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 0.95, 0.6};
constexpr double kGoodChance = 0.8;  // of guesses that are good
constexpr size_t kTryEvery = 32;     // times that it did not pay
constexpr double kLeastGain = 1.02;  // below, it is noise

}  // namespace

Pace::Pace(int most) : most_(static_cast<size_t>(most)) {
  for (size_t i = 0; i < kinds_.size(); ++i) kinds_[i].chance = kFirstChances[i];
}

void Pace::Mean::add(double x) {
  n += 1;
  value += (x - value) * std::max(kLatest, 1 / n);
}

void Pace::Low::add(double x) {
  n += 1;
  value += (x - value) * std::max(x < value ? kShorter : kLonger, 1 / n);
}

void Pace::came(int kind, size_t n, bool then_another) {
  Kind& k = kinds_[static_cast<size_t>(kind)];
  const auto see = [&](double right) {
    k.n += 1;
    k.chance += (right - k.chance) * std::max(kLatest / 2, 1 / k.n);
  };
  for (size_t i = 0; i < n; ++i) see(1);
  if (then_another) see(0);
}

void Pace::took(size_t guesses, const StepCost& step, double asking_s) {
  if (step.seconds <= 0 || step.prompt_rows > 0) return;
  others_.add(step.sequences - 1);
  if (guesses == 0) {
    plain_s_.add(step.seconds);
  } else if (plain_s_.n > 0) {
    const auto n = static_cast<double>(guesses);
    row_.add(std::max(step.seconds / plain_s_.value - 1, 0.0) / n);
    asking_.add(asking_s / plain_s_.value / n);
  }
}

void Pace::asks(double guess_s) {
  if (plain_s_.n > 0) asking_.add(guess_s / plain_s_.value);
}

void Pace::repeated(const StepCost& step) {
  if (step.seconds <= 0 || step.prompt_rows > 0 || plain_s_.n == 0) return;
  repeating_.add(std::max(step.seconds / plain_s_.value - 1, 0.0));
}

// Tokens of all sequences for the time, against those of a step without guesses: what one of them adds to a step, the
// others wait for too.
double Pace::gain(double chance, size_t n) const {
  double power = 1;
  double tokens = 1;
  for (size_t i = 0; i < n; ++i) tokens += power *= std::min(chance, 0.995);
  const double others = others_.value;
  const double cost = relative_cost(n) + static_cast<double>(n) * asking_.value + (1 - power) * repeating_.value;
  return (tokens + others) / (1 + others) / cost;
}

size_t Pace::best(double chance, size_t available) const {
  size_t found = 0;
  double most = kLeastGain;
  for (size_t n = 1; n <= std::min(available, most_); ++n) {
    const double here = gain(chance, n);
    if (here > most) {
      most = here;
      found = n;
    }
  }
  return found;
}

size_t Pace::worth(int kind, size_t available) const {
  return best(kinds_[static_cast<size_t>(kind)].chance, available);
}

bool Pace::could_pay() const { return best(kGoodChance, most_) > 0; }

size_t Pace::choose(int kind, size_t available) {
  const size_t n = worth(kind, available);
  idle_ = n > 0 ? 0 : idle_ + 1;
  return n == 0 && idle_ % kTryEvery == 0 ? std::min<size_t>(2, available) : n;
}

}  // namespace kedge::engine
