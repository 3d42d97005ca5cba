// What goes into the next step: a token for every sequence that decodes, then those it guesses, and the rest of the
// step's budget shared among prompts. Counts and decides; it knows neither sequences nor threads nor a clock.
//
// Prompts are served by deficit round robin over keys (Shreedhar and Varghese 1995), in tokens: in every step each key
// that has prompts gets its share of the budget (equal unless weights say otherwise), and keeps what it could not use.
// Within a key the prompt with the fewest tokens left comes first; every step that one waits counts for kAgeing tokens,
// so none waits for ever.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::engine {

class Scheduler {
 public:
  static constexpr int kAgeing = 16;      // tokens a step of waiting is worth
  static constexpr int kLeastShare = 16;  // prompt tokens beside decoding, however slow they are

  struct Limits {
    int sequences = 1;    // in a step
    int step_tokens = 1;  // rows of a step
    // A step that decodes is to take so long: 0: the larger of kStepMs and twice a step that only decodes; negative: as
    // long as it takes.
    double step_ms = 0;
  };
  static constexpr double kStepMs = 25;

  // One sequence that wants to go on.
  struct Demand {
    std::string_view key;
    int remaining = 0;           // tokens to evaluate, at least 1
    int most = 1 << 30;          // tokens it can use of this step
    uint64_t arrived = 0;        // number of the step before which it did
    uint64_t waiting_since = 0;  // the same of its last share, at first of its arrival
    double weight = 1;           // of its key, above 0: one of weight 2 gets twice the tokens of one of weight 1
    bool whole = false;          // all of it goes into one step; at most step_tokens
    bool answers = false;        // the tokens are an answer's: the first, and more as long as there is room
    bool decodes() const { return answers || remaining == 1; }
  };
  struct Share {
    size_t demand;  // index
    int tokens;
  };

  explicit Scheduler(const Limits& limits) : limits_(limits) {}

  // The shares of step number `step`, in the order of the demands; never empty unless the demands are.
  std::vector<Share> plan(std::span<const Demand> demands, uint64_t step);
  // What a step took.
  void learn(int decode_rows, int prompt_rows, double ms);
  // Prompt tokens that a step of so many decode rows takes along.
  int prompt_budget(int decode_rows) const;

 private:
  std::vector<Share> plan_whole(std::span<const Demand> demands) const;
  int share_decoding(std::span<const Demand> demands, std::vector<size_t> decoding, bool prompts,
                     std::vector<int>* tokens) const;
  void share_prompts(std::span<const Demand> demands, uint64_t step, int budget, int sequences,
                     std::vector<int>* tokens);

  Limits limits_;
  std::map<std::string, int64_t, std::less<>> deficit_;  // by key, of those that have prompts
  std::string last_key_;                                 // the round goes on behind it
  double decode_ms_ = 0;                                 // running mean of steps without prompts
  double prompt_token_ms_ = 0;                           // of what a prompt token adds
};

}  // namespace kedge::engine
