// What an engine is made of. Its mutex guards the queue of calls and the list of sequences; who leads (one caller at a
// time) owns everything else: the team, the buffers, and the memories of all sequences whose calls wait.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/step_parts.h"
#include "kernels/base/json.h"
#include "memory/kv_arena.h"
#include "memory/spill_file.h"

namespace kedge::engine {

// Rows of logits, if all of them are wanted, or of hidden states: row(position, values).
using RowSink = std::function<Status(int position, std::span<const float>)>;

// One evaluation under way; lives on its caller's stack.
struct Engine::Call {
  enum class Phase {
    kReady,   // may go into a step
    kInStep,  // is in one, or its pages are being moved
    kNews,    // its caller has rows or progress to hand over first
    kDone
  };

  Session::State* sequence = nullptr;
  std::span<const int32_t> tokens;
  const RowSink* rows = nullptr;  // null: only the last token's logits
  // Rows are hidden states in place of logits, of the tokens from this index on, and handed over within the step.
  std::optional<size_t> hidden_from;
  std::span<const float> given = {};  // [tokens][d_model] hidden states, for a block that predicts
  const EvalHooks* hooks = nullptr;
  bool decoding = false;  // the tokens are an answer's, however many
  size_t n_guesses = 0;   // the last so many tokens only may follow: one step, which stays open (Session::State::Ahead)

  // Under the engine's mutex.
  Phase phase = Phase::kReady;
  size_t done = 0;
  uint64_t arrived = 0;        // step number
  uint64_t waiting_since = 0;  // of its last share
  bool starved = false;        // its last share came to nothing, for want of pages
  size_t free_pages = 0;       // that there were then
  Status status;
  std::condition_variable own_wake;
  std::condition_variable* wake = &own_wake;  // its caller's, which may have several calls

  // Of the step it is in, or that has news.
  LogitSink sink;
  int first_position = 0;
  std::vector<float> kept_rows;  // [n][n_vocab], when they are not handed over within the step

  bool hands_over_later(bool alone) const { return rows != nullptr && !hidden_from && !alone; }
  int first_row_wanted(int n) const;  // of the next n tokens; n: none
  size_t remaining() const { return tokens.size() - done; }
  bool decodes() const { return decoding || tokens.size() == 1; }
  size_t certain() const { return remaining() - std::min(n_guesses, remaining()); }  // of the remaining ones
  void limit_guesses(int n);                                                         // a step of n tokens has begun
  bool cancelled() const { return hooks->cancel != nullptr && hooks->cancel->load(std::memory_order_relaxed); }
  bool expired() const { return hooks->deadline < std::chrono::steady_clock::now(); }
  Status take_row(int row, std::span<const float> logits, bool finite, bool alone);
  Status take_hidden(int position, std::span<const float> state, bool finite) const;
  Status hand_over();  // on the caller's thread
};

// What became of one call's share of a step.
struct Engine::Outcome {
  size_t tokens = 0;  // that are evaluated now; 0 without an error: to be tried again
  size_t wasted = 0;  // rows computed for nothing
  Status status;
};
struct Engine::StepResult {
  std::vector<Outcome> outcomes;  // by share
  int decode_rows = 0;
  int prompt_rows = 0;
  double seconds = 0;
};

struct Engine::State {
  std::shared_ptr<const Model> model;
  EngineOptions options;
  const KernelTable* kernels = nullptr;
  bool alone = false;  // one session without an arena shared with others
  bool fast = false;
  ActivationStats* activations = nullptr;  // of the one session there is, when somebody watches it
  ThreadTeam team;
  StepBuffers buffers;
  std::atomic<size_t> buffer_bytes{0};
  std::shared_ptr<KvArena> arena;  // null when alone
  std::optional<SpillFile> spill;  // made when first needed
  Scheduler scheduler{{}};

  mutable std::mutex mutex;         // of what follows
  bool leading = false;             // somebody runs a step, or works on memories between steps
  std::thread::id leader;           // while somebody does
  int n_exclusive = 0;              // who waits to do the latter
  std::condition_variable led;      // for them: nobody leads
  std::condition_variable arrived;  // for the leader: calls or sequences have changed
  std::condition_variable freed;    // for those who wait to be admitted
  std::vector<Session::State*> sequences;
  std::vector<Call*> calls;  // in the order of their arrival
  int n_expected = 0;        // sequences whose next call may come at once
  struct Waiter {
    const Session::State* sequence;
    std::string_view key;
    uint64_t number;
  };
  std::vector<Waiter> waiters;
  struct Reclaimer {
    std::weak_ptr<const void> owner;
    std::function<bool()> reclaim;
  };
  std::vector<Reclaimer> reclaimers;  // of caches: let go of some pages, or have none
  uint64_t now = 0;                   // steps done: the clock of waiting
  uint64_t tickets = 0;
  double last_step_s = 0;
  EngineStats stats;
  bool in_step = false;  // what the leader does is a step
  std::chrono::steady_clock::time_point busy_since;

  static Result<std::unique_ptr<State>> make(std::shared_ptr<const Model> model, const EngineOptions& options);

  Json busy() const;  // for kedge_engine_stats; takes the mutex
  // The queue (engine_run.cc); the mutex is held.
  void take_lead() {
    leading = true;
    busy_since = std::chrono::steady_clock::now();
    leader = std::this_thread::get_id();
  }
  void arrive(Call& call);
  void finish(Call& call, Status status);
  void drop_hopeless();
  void gather(std::unique_lock<std::mutex>& lock);
  void pass_on();
  static Call* most_urgent(std::span<Call* const> calls);
  void lead(std::unique_lock<std::mutex>& lock);
  void conclude(std::span<Call* const> ready, std::span<const Scheduler::Share> shares, StepResult& result);

  // A step (engine_step.cc); the mutex is not held, the caller leads.
  StepResult run_step(std::span<Call* const> ready, std::span<const Scheduler::Share> shares);
  Result<KvStep> begin(Call& call, int wanted);
  Outcome end(Call& call, KvStep& kv, StepPart& part);
  static Outcome leave_open(const Call& call, KvStep& kv, const StepPart& part);
  // Ends the step that a sequence has open: what it took of it is kept, if a part of it can be.
  Status close(Session::State& sequence);
  Status settle(Session::State& sequence);

  // Pages (engine_pages.cc); the mutex is not held, the caller leads.
  static size_t pages_of(const Session::State& s) { return s.memory->sequence().pages(); }
  Status swap_in(Session::State& sequence);
  Relief relieve(Session::State& requester);
  bool swap_out_idle(const Session::State& requester);
  bool pause_a_call(Session::State& requester);
  bool heavier(const Session::State& a, const Session::State& b) const;  // the mutex is held
  bool others_may_free(const Session::State& requester) const;
  Status swap_out(Session::State& sequence);
  bool reclaim();  // caches let go of an entry, or sequences of a copy they keep
  bool drop_kept();
  bool is_next(uint64_t number) const;  // of those who wait to be admitted
  size_t outstanding() const;           // reserved pages that nobody has taken yet
};

}  // namespace kedge::engine
