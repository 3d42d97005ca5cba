#include "engine/guess/speculation.h"

#include <algorithm>
#include <chrono>

namespace kedge::engine {

void Speculation::begin(std::span<const int32_t> text) {
  if (guesser_ == nullptr) return;
  const Status begun = guesser_->begin(text);
  if (!begun.ok()) stop(begun.error().message);
}

// The answer goes on without; a generation that was cancelled finds that out by itself.
void Speculation::stop(const std::string& why) {
  result_.stopped = why;
  guesser_ = nullptr;
}

// Of guesses that take time. A draft that is too slow is found out before it reads the text.
size_t Speculation::worth_asking(size_t most) {
  if (!pace_.knows_steps()) return 0;
  if (!knows_cost_) {
    const auto cost = guesser_->cost_s();
    if (!cost.ok()) {
      stop(cost.error().message);
      return 0;
    }
    pace_.asks(*cost);
    knows_cost_ = true;
    if (!pace_.could_pay()) {
      stop("guesses take too long beside a step: they cannot pay");
      return 0;
    }
  }
  return pace_.choose(kind_, most);
}

void Speculation::chosen(int32_t token, bool taken) {
  if (guesser_ == nullptr) return;
  if (taken) ++result_.accepted;
  guesser_->add(token);
  if (came_ == watched_) return;
  const bool came = tokens_[came_] == token;
  if (came) ++came_;
  if (came && came_ < watched_) return;
  pace_.came(kind_, came_, !came);
  came_ = watched_ = 0;
}

std::span<const int32_t> Speculation::guess(size_t room) {
  came_ = watched_ = 0;
  if (guesser_ == nullptr || room == 0) return {};
  const size_t most = std::min(room, static_cast<size_t>(options_.most));
  // Asking costs nothing, or is decided upon first.
  const bool is_free = guesser_->is_free();
  const size_t asked = is_free || !options_.adaptive ? most : worth_asking(most);
  if (asked == 0) return {};
  const auto start = std::chrono::steady_clock::now();
  auto guessed = guesser_->guess(std::span(tokens_).first(asked));
  asking_s_ = is_free ? 0 : std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!guessed.ok()) {
    stop(guessed.error().message);
    return {};
  }
  if (guessed->n == 0) {
    if (!is_free) pace_.came(kind_, 0, true);  // it was asked for nothing
    return {};
  }
  kind_ = guessed->kind;
  size_t worth = guessed->n;
  if (is_free && options_.adaptive) worth = pace_.choose(kind_, guessed->n);
  watched_ = std::max<size_t>(worth, 1);  // one is watched even when none is worth it: things change
  return std::span(tokens_).first(worth);
}

void Speculation::evaluated(size_t wanted, size_t guesses, const StepCost& step) {
  if (guesser_ == nullptr) return;
  ++result_.steps;
  result_.guessed += guesses;
  if (guesses > 0) watched_ = std::min(watched_, guesses);
  if (guesses > 0 || (wanted == 1 && step.own_rows <= 1)) {
    pace_.took(guesses, step, asking_s_);
  } else if (wanted == 1) {
    pace_.repeated(step);
  }
}

}  // namespace kedge::engine
