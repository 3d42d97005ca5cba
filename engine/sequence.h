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
#include "engine/session.h"
#include "memory/kv_memory.h"

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
  ExpertStats experts;
  double cost_s = 0;                    // its share of the steps it was in, in thread-seconds
  std::vector<std::string_view> texts;  // of a step's tokens

  // Held by the call that uses the sequence, and by whoever takes its pages while nobody does.
  mutable std::recursive_mutex in_use;

  // Of the engine, under its mutex.
  bool expected = false;  // its last call is over; the next may come at once
  bool swapped_out = false;
  uint64_t last_used = 0;  // step number
  size_t reserved = 0;     // pages its generation may still take, its own included; 0: none under way
  uint64_t ticket = 0;     // number of that generation, by arrival
  std::string key;         // of that generation, for fairness

  Status check_tokens(std::span<const int32_t> added) const;
  // The texts of tokens as the memory reads them: a control token ends a line.
  void read_texts(std::span<const int32_t> added);
};

// The shape of a session's KV cache. Errors: kUnsupported (a type that does not fit the heads).
Result<KvShape> kv_shape(const ModelConfig& config, KvFormat type, int n_ctx);
Status check_context(int n_ctx);

template <class F>
auto Session::between_steps(F&& f) const -> decltype(f(std::declval<const ThreadTeam&>())) {
  const auto held = use();
  Engine& engine = *state_->engine;
  using Done = decltype(f(std::declval<const ThreadTeam&>()));
  for (;;) {
    Done done = engine.exclusively([&](const ThreadTeam& team) -> Done {
      KEDGE_TRY(engine.swap_in(*state_));
      return f(team);
    });
    if (done.ok() || state_->memory->missing_pages() == 0 || !engine.wait_for_relief(*state_)) return done;
  }
}

}  // namespace kedge::engine
