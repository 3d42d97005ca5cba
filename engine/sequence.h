// One sequence of an engine: its tokens, what is remembered of them, and the logits of the last. A Session is a handle
// to one.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/expert_stats.h"
#include "engine/guess/predictor.h"
#include "engine/session.h"
#include "engine/state_rows.h"
#include "memory/kv_step.h"

namespace kedge::engine {

struct Session::State {
  State(std::shared_ptr<Engine> owner, SessionOptions given, std::unique_ptr<KvMemory> kv);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  const std::shared_ptr<Engine> engine;
  SessionOptions options;
  std::unique_ptr<KvMemory> memory;
  std::vector<int32_t> tokens;
  std::vector<float> last_logits;  // [n_vocab] once something was evaluated
  bool has_logits = false;
  StateRows states;
  std::unique_ptr<Predictor> predictor;  // once one was asked for
  ExpertStats experts;
  double cost_s = 0;                    // its share of the steps it was in, in thread-seconds
  std::vector<std::string_view> texts;  // of a step's tokens

  // Of a model whose memory cannot forget tokens (KvShape::only_forward()), for who leads: copies of the memory on the
  // way, in the order of their positions, and what was said of tokens since.
  struct Kept {
    int position;
    std::shared_ptr<const KvMemory> memory;
    std::vector<float> logits;  // of the last token, or none
    size_t n_announced;         // calls of these it knows
    uint64_t number;            // no other one ever has
  };
  std::vector<Kept> kept;
  uint64_t n_kept = 0;  // ever
  struct Announced {
    int position;  // of the next token then
    std::vector<Segment> segments;
  };
  std::vector<Announced> announced;
  void remember_segments();  // those that the memory has; of a session that begins with it
  // After tokens were evaluated: a copy of what the memory is now, when one is due.
  void keep(bool prompt_ends);
  void thin_kept();

  // Tokens that were evaluated together with the last ones because they may follow (session_ahead.cc). Their step stays
  // open until it is known how many of them do.
  struct Ahead {
    std::optional<KvStep> step;
    std::vector<int32_t> tokens;  // of the step
    std::vector<float> rows;      // [n][n_vocab]: logits of the tokens from `first_row` on, as far as they are numbers
    size_t first_row = 0;
    size_t taken = 0;  // of the tokens: they are the sequence's
  };
  Ahead ahead;
  int n_past() const;  // tokens evaluated
  // Its last tokens that are to be evaluated again, because their step cannot keep a part of its own.
  size_t n_again() const;
  // With those in front.
  Status run(Engine::Call& call);

  // What the last step was like, for who has to choose how many rows the next one is worth.
  StepCost last_step;

  // Held by the call that uses the sequence, and by whoever takes its pages while nobody does.
  mutable std::recursive_mutex in_use;

  // Of the engine, under its mutex.
  bool expected = false;  // its last call is over; the next may come at once
  bool swapped_out = false;
  uint64_t last_used = 0;  // step number
  size_t reserved = 0;     // pages its generation may still take, its own included; 0: none under way
  uint64_t ticket = 0;     // number of that generation, by arrival
  std::string key;         // of that generation, for fairness
  double weight = 1;       // of the key

  Status check_tokens(std::span<const int32_t> added) const;
  Status check_whole(size_t n_tokens, int past) const;
  // The texts of tokens as the memory reads them: a control token ends a line.
  void read_texts(std::span<const int32_t> added);
};

// Copies of itself that a sequence keeps to go back to, when its model cannot simply forget tokens.
inline constexpr int kKeptStates = 4;

// The shape of a session's memory, for steps of up to `step_tokens`. Errors: kUnsupported (a type that does not fit the
// heads; layers that differ where they must not).
Result<KvShape> kv_shape(const ModelConfig& config, KvFormat type, int n_ctx, int step_tokens);
Status check_context(int n_ctx);

template <class F>
auto Session::between_steps(F&& f) const -> decltype(f(std::declval<const ThreadTeam&>())) {
  const auto held = use();
  Engine& engine = *state_->engine;
  using Done = decltype(f(std::declval<const ThreadTeam&>()));
  KEDGE_TRY(catch_up());
  for (;;) {
    Done done = engine.exclusively([&](const ThreadTeam& team) -> Done {
      KEDGE_TRY(engine.swap_in(*state_));
      KEDGE_TRY(engine.close(*state_));
      return f(team);
    });
    if (done.ok() || state_->memory->missing_pages() == 0 || !engine.wait_for_relief(*state_)) return done;
  }
}

}  // namespace kedge::engine
