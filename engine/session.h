// A session: one sequence of tokens, its KV pages and what is known about them. It is a sequence of an engine
// (engine/engine.h), which has the threads and buffers: one of its own, or one that it shares with others. Belongs to
// one thread at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/adapter.h"
#include "engine/expert_stats.h"
#include "engine/model.h"
#include "engine/state_rows.h"
#include "kernels/base/result.h"
#include "memory/kv_memory.h"

namespace kedge::engine {

// kExact: the canonical arithmetic. kFast: kernels/fast_numerics.h; other numbers, just as independent of batch,
// threads and chunking. An error at Session::create when the instruction set has no such kernels.
enum class Numerics { kExact, kFast };

struct SessionOptions {
  int n_ctx = 0;      // positions of a sequence; 0 = the model's trained context
  int n_threads = 0;  // 0 = default_threads(): the machine's cores within the cgroup's CPU quota
  int chunk = 512;    // steps have at most this many tokens (>= 1); never changes a logit
  KvFormat kv_type = KvFormat::kF16;
  Numerics numerics = Numerics::kExact;
  // What the KV cache holds of them, and what leaves when it is full. By default it holds n_ctx tokens.
  KvOptions kv = {};
  std::vector<AdapterUse> adapters = {};  // in this order
};

// What eval() reports and obeys. All members optional.
struct EvalHooks {
  std::function<bool(size_t done, size_t total)> progress;  // after each chunk; false cancels
  const std::atomic<bool>* cancel = nullptr;                // checked between layers
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  std::string_view key = {};  // whose call it is: an engine is fair among keys
  double weight = 1;          // of the key, against others
};

class ActivationStats;
class Engine;
class Predictor;

// A step of the engine.
struct StepCost {
  int own_rows = 0;     // of the sequence asked
  int prompt_rows = 0;  // of all
  int sequences = 0;    // in it
  double seconds = 0;
};

// Tokens a generation will add: as many as it should have pages for before it begins, and the most there can be.
struct ExpectedTokens {
  size_t reserved;
  size_t most;
};

class Session {
 public:
  // On an engine of its own. For one that shares an engine: Engine::session().
  static Result<std::unique_ptr<Session>> create(std::shared_ptr<const Model> model, const SessionOptions& options);
  ~Session();

  const Model& model() const;
  const std::shared_ptr<Engine>& engine() const;
  int n_ctx() const;
  int n_threads() const;
  int n_past() const;                       // tokens evaluated; the next token gets this position
  std::span<const int32_t> tokens() const;  // those tokens, whether they are in the cache still or not

  // Appends `tokens` and computes them, in steps of the engine. With a KV budget, tokens leave the cache between steps
  // when it is full and come back when new ones mention them: see memory(). Errors: a token id outside the vocabulary
  // (kInvalidArgument), a full context (kCapacity; nothing is appended), no pages (kCapacity), cancelled or the
  // deadline passed (kCancelled; the steps already done stay), logits that are no numbers (kInternal; names token and
  // position). Afterwards logits() is the row of the last token.
  Status eval(std::span<const int32_t> tokens, const EvalHooks& hooks = {});
  // The same, handing over the logits of every token: row(position, logits) with n_vocab floats, valid during the call.
  Status eval_all(std::span<const int32_t> tokens,
                  const std::function<Status(int position, std::span<const float>)>& row, const EvalHooks& hooks = {});
  // The same with hidden states in place of logits: row(position, state) with d_model floats behind the final norm, of
  // the tokens from index `first` on. It is called within a step, on any thread. Afterwards there are no logits.
  Status eval_hidden(std::span<const int32_t> tokens, size_t first,
                     const std::function<Status(int position, std::span<const float>)>& row,
                     const EvalHooks& hooks = {});
  // The same as eval(tokens) for a sequence that decodes, together with `guesses`, tokens that may follow: as many as
  // one step takes along. Afterwards take(token) does what eval({token}) would do, without a pass, where the next guess
  // was that token; otherwise it forgets the guesses and returns false. A guess that is not taken leaves no trace.
  Status eval_ahead(std::span<const int32_t> tokens, std::span<const int32_t> guesses, const EvalHooks& hooks = {});
  bool take(int32_t token);
  // From now on the hidden states of the last `most` tokens and more are kept: states().
  void keep_states(size_t most);
  const StateRows& states() const;
  // As eval(), of a block that predicts (Model::prediction), with the hidden states [tokens][d_model] it reads of them.
  Status eval_given(std::span<const int32_t> tokens, std::span<const float> given, const EvalHooks& hooks);
  // The model's block for further tokens, reading along with this sequence from now on. It is the session's. Errors: as
  // Model::prediction().
  Result<Predictor*> predictor();
  // Whether guesses make sense now: not when tokens have to be evaluated once more because a step could not keep a part
  // of its own (a recurrent state, attention that was counted).
  bool may_guess() const;
  size_t n_ahead() const;  // guesses that are evaluated and not taken yet
  // Guesses are forgotten, and everything else is in the memory. Errors: those of eval().
  Status settle();
  StepCost last_step() const;  // that it was in

  // A token for each of several sessions of one engine, in common steps: tokens[i] is appended to sessions[i]. Errors:
  // kInvalidArgument (sessions of several engines, one of them twice), and those of eval(), of the first that has one;
  // the others hold their token.
  static Status eval_together(std::span<Session* const> sessions, std::span<const int32_t> tokens,
                              const EvalHooks& hooks = {});
  // n_vocab logits of the last token evaluated; empty before the first eval and after truncate().
  std::span<const float> logits() const;

  // Forgets the tokens from position n on (0 <= n <= n_past()). A model with recurrent layers or windows may have to
  // evaluate some of the others again. Errors: kInvalidArgument; then those of eval(), and fewer than n are left.
  Status truncate(int n);
  // A point to come back to, as often as wanted: what happened since is as if it had never been. Pages are shared.
  struct Checkpoint;
  Result<std::shared_ptr<const Checkpoint>> checkpoint() const;
  // Errors: kInvalidArgument (a checkpoint of another session).
  Status rollback(const Checkpoint& to);

  // The metadata, evictions and recalls of the cache. What changes it goes through the session.
  const KvMemory& memory() const;
  Result<std::vector<KvMemory::Refusal>> add_segments(std::span<const Segment> segments);
  Result<KvMemory::Recalled> recall(int first, int last);
  Result<KvMemory::Recalled> recall_mentioned(std::string_view text);
  // A second session in the same state, sharing all pages: of the same engine, or with one of its own when this one's
  // is its own.
  Result<std::unique_ptr<Session>> fork() const;

  // What the routers did since the session began or reset_expert_stats(); no layers for a dense model. Truncating does
  // not take tokens back.
  const ExpertStats& expert_stats() const;
  // Both as they are between two steps, for any thread, also while a call uses the session; steps wait for `at`. Error:
  // kInvalidArgument from within a step of this thread (row() of eval_all).
  Status look(const std::function<void(const KvMemory& memory, const ExpertStats& experts)>& at) const;
  void reset_expert_stats();

  // From now on what its tokens are multiplied with is added up there; null: no longer. It outlives that. Error:
  // kUnsupported (a session that shares its engine: steps have rows of others).
  Status watch_activations(ActivationStats* stats);

  size_t kv_bytes() const;       // bytes of KV pages of this sequence
  size_t scratch_bytes() const;  // bytes of activations and other buffers, of the engine
  double cost_s() const;         // thread-seconds of steps, by this session's share of their rows

  const SessionOptions& options() const;  // as given, with what was automatic filled in

  // The session for the time of a call: an engine does not take its pages meanwhile, and reading memory() is safe.
  std::unique_lock<std::recursive_mutex> use() const;
  // A place for a generation among those of the engine, with pages for what it expects reserved. Waits for it; see
  // Engine::admit.
  class Admission {
   public:
    static Result<Admission> wait(Session& session, ExpectedTokens expected, const EvalHooks& hooks);
    Admission(Admission&& other) noexcept;
    Admission& operator=(Admission&&) = delete;
    ~Admission();

   private:
    explicit Admission(Session& session) : session_(&session) {}
    Session* session_;
  };
  // Tokens to reserve for a generation without a limit of its own.
  int default_tokens() const;

  friend class Engine;
  friend class PrefixCache;
  friend class SessionFile;

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  // `rows` gets logits of all tokens, or with `hidden_from` hidden states of those from there on.
  Status evaluate(std::span<const int32_t> tokens, const std::function<Status(int, std::span<const float>)>* rows,
                  std::optional<size_t> hidden_from, const EvalHooks& hooks);
  Status catch_up() const;  // evaluates again what a step could not keep
  // f(team) with the pages at hand and no step running.
  template <class F>
  auto between_steps(F&& f) const -> decltype(f(std::declval<const ThreadTeam&>()));
  Status go_back(int n);
  std::unique_ptr<State> state_;
};

// Threads a session uses by default: the cores this process may run on, within its cgroup's CPU quota; at least 1.
int default_threads();

}  // namespace kedge::engine
