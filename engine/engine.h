// An engine: one model's thread team, step buffers, arena of KV pages and scheduler. Sessions are sequences in it; what
// several threads evaluate on them goes into common steps. There is no thread of its own for that: one of the callers
// runs the step, with the team, for all of them.
// All functions may be called from any threads. Sessions keep their engine alive.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/histogram.h"
#include "engine/model.h"
#include "engine/session.h"
#include "kernels/base/result.h"

namespace kedge::engine {

struct EngineOptions {
  int n_threads = 0;         // 0 = default_threads()
  int sequences = 16;        // most in one step
  size_t memory = 0;         // bytes for KV pages, buffers and sequences; 0: see kedge.h
  int step_tokens = 512;     // most of one step
  double step_ms = 0;        // see Scheduler::Limits
  int waiting = 256;         // calls that may wait for pages
  int default_tokens = 512;  // most tokens pages are reserved for before a generation begins
  KvFormat kv_type = KvFormat::kF16;
  Numerics numerics = Numerics::kExact;
  std::string spill = {};  // directory for pages given back; empty: TMPDIR, else /tmp
};

struct EngineStats {
  uint64_t steps = 0;
  uint64_t decode_rows = 0;
  uint64_t prompt_rows = 0;
  uint64_t wasted_rows = 0;  // of sequences cancelled or failed within a step
  int step_prompt_tokens = 0;
  size_t sequences = 0;
  size_t running = 0;
  size_t waiting = 0;
  size_t swapped_out = 0;
  uint64_t admitted = 0;
  uint64_t refused = 0;
  uint64_t cancelled_waiting = 0;
  uint64_t cancelled_prompt = 0;
  uint64_t cancelled_decode = 0;
  uint64_t expired = 0;
  uint64_t paused = 0;
  uint64_t resumed = 0;
  size_t pages_in_use = 0;
  size_t pages_total = 0;
  size_t pages_reserved = 0;
  size_t page_bytes = 0;
  size_t memory_limit = 0;
  size_t buffer_bytes = 0;
  size_t sequence_bytes = 0;
  Histogram<kMillisecondBounds.size()> step_ms{kMillisecondBounds};
  Histogram<kMillisecondBounds.size()> queue_ms{kMillisecondBounds};  // of calls admitted
  Histogram<kRowBounds.size()> step_decode_rows{kRowBounds};          // of steps that have some
  Histogram<kRowBounds.size()> step_prompt_rows{kRowBounds};
};

class Engine : public std::enable_shared_from_this<Engine> {
 public:
  // Errors: kInvalidArgument (an option outside its range), kCapacity (memory), kUnsupported.
  static Result<std::shared_ptr<Engine>> create(std::shared_ptr<const Model> model, const EngineOptions& options);
  ~Engine();

  // A sequence without tokens. Of the options n_ctx and kv count; the rest must be the default or the engine's.
  Result<std::unique_ptr<Session>> session(const SessionOptions& options);

  const std::shared_ptr<const Model>& model() const;
  const EngineOptions& options() const;  // with what was automatic filled in
  bool is_shared() const;                // not the one of a session that is alone
  EngineStats stats() const;
  std::string stats_json() const;  // see kedge_engine_stats

  friend class Session;
  friend class PrefixCache;
  friend class SessionFile;

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);

  // For one session that is alone: memories bring arenas of their own, nothing waits, and rows of logits are handed
  // over within the step.
  // `budget`: tokens it may hold.
  static Result<std::shared_ptr<Engine>> alone(std::shared_ptr<const Model> model, const SessionOptions& options,
                                               int budget);
  // With an arena of so many pages.
  static Result<std::shared_ptr<Engine>> with_pages(std::shared_ptr<const Model> model, const EngineOptions& options,
                                                    size_t n_pages);
  // A sequence around a memory. Errors: kCapacity (buffers).
  Result<std::unique_ptr<Session>> adopt(const SessionOptions& options, std::unique_ptr<KvMemory> memory);

  // The options of a session in it, with what is the engine's. Errors: kInvalidArgument.
  Result<SessionOptions> session_options(const SessionOptions& given) const;
  const KernelTable& kernels() const;
  size_t buffer_bytes() const;
  const std::shared_ptr<KvArena>& arena() const;  // null when alone

  struct Call;
  struct Outcome;
  struct StepResult;
  Status run(Call& call);
  void run(std::span<Call* const> calls);  // of one thread, each of another sequence; each has its status then
  // Work on a sequence's memory between steps: f(team) runs while no step does. The sequence has its pages.
  template <class F>
  auto exclusively(F&& f) {
    const Exclusive alone_now(*this);
    return f(team());
  }
  const ThreadTeam& team() const;
  void watch_activations(ActivationStats* stats);  // of a session that is alone
  bool leads_here() const;                         // this thread is within a step
  class Exclusive {
   public:
    explicit Exclusive(Engine& engine);
    ~Exclusive();
    Exclusive(const Exclusive&) = delete;
    Exclusive& operator=(const Exclusive&) = delete;

   private:
    Engine& engine_;
  };
  // A place for a generation: the pages of what it expects are reserved until dismiss(). Waits for them, as kedge.h
  // says. Errors: kCapacity (its most can never fit; too many wait), kCancelled.
  Status admit(Session::State& sequence, ExpectedTokens expected, const EvalHooks& hooks);
  Status wait_for_pages(Session::State& sequence, ExpectedTokens expected, uint64_t number, const EvalHooks& hooks);
  void dismiss(Session::State& sequence);
  // What was done for a sequence that needs pages: they may be free now; somebody with pages is on the way to its end;
  // nobody is.
  enum class Relief { kMade, kLater, kNone };
  // Not by who leads. False: waiting is of no use.
  bool wait_for_relief(Session::State& sequence);
  Status swap_in(Session::State& sequence);  // by who leads
  Status close(Session::State& sequence);    // likewise: the step it has open

  void add(Session::State& sequence);
  void remove(Session::State& sequence);
  void pages_freed();
  // `reclaim` lets go of some pages and returns true, or has none to let go of. Forgotten when its owner is gone.
  void add_reclaimer(std::weak_ptr<const void> owner, std::function<bool()> reclaim);

  std::unique_ptr<State> state_;
};

}  // namespace kedge::engine
