// A session: one sequence of tokens, its KV pages and its buffers, on one model. Belongs to one thread at a time; the
// work inside is spread over a thread team of its own. No allocation per decoded token.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/expert_stats.h"
#include "engine/model.h"
#include "kernels/base/result.h"
#include "memory/kv_memory.h"

namespace kedge::engine {

// kExact: the canonical arithmetic. kFast: kernels/fast_numerics.h; other numbers, just as independent of batch,
// threads and chunking. An error at Session::create when the instruction set has no such kernels.
enum class Numerics { kExact, kFast };

struct SessionOptions {
  int n_ctx = 0;      // positions of a sequence; 0 = the model's trained context
  int n_threads = 0;  // 0 = default_threads(): the machine's cores within the cgroup's CPU quota
  int chunk = 512;    // prefill goes in steps of at most this many tokens (>= 1); never changes a logit
  KvFormat kv_type = KvFormat::kF16;
  Numerics numerics = Numerics::kExact;
  // What the KV cache holds of them, and what leaves when it is full. By default it holds n_ctx tokens.
  KvOptions kv;
};

// What eval() reports and obeys. All members optional.
struct EvalHooks {
  std::function<bool(size_t done, size_t total)> progress;  // after each chunk; false cancels
  const std::atomic<bool>* cancel = nullptr;                // checked between layers
};

class Session {
 public:
  static Result<std::unique_ptr<Session>> create(std::shared_ptr<const Model> model, const SessionOptions& options);
  ~Session();

  const Model& model() const;
  int n_ctx() const;
  int n_threads() const;
  int n_past() const;                       // tokens evaluated; the next token gets this position
  std::span<const int32_t> tokens() const;  // those tokens, whether they are in the cache still or not

  // Appends `tokens` and computes them. With a KV budget, tokens leave the cache between steps when it is full and come
  // back when new ones mention them: see memory(). Errors: a token id outside the vocabulary (kInvalidArgument), a full
  // context (kCapacity; nothing is appended), cancelled (kCancelled; the chunks already done stay), logits that are no
  // numbers (kInternal; names token and position). Afterwards logits() is the row of the last token.
  Status eval(std::span<const int32_t> tokens, const EvalHooks& hooks = {});
  // The same, handing over the logits of every token: row(position, logits) with n_vocab floats, valid during the call.
  Status eval_all(std::span<const int32_t> tokens,
                  const std::function<Status(int position, std::span<const float>)>& row, const EvalHooks& hooks = {});
  // n_vocab logits of the last token evaluated; empty before the first eval and after truncate().
  std::span<const float> logits() const;

  // Forgets the tokens from position n on (0 <= n <= n_past()).
  Status truncate(int n);

  // The metadata, evictions and recalls of the cache. What changes it goes through the session.
  const KvMemory& memory() const;
  Result<std::vector<KvMemory::Refusal>> add_segments(std::span<const Segment> segments);
  Result<KvMemory::Recalled> recall(int first, int last);
  Result<KvMemory::Recalled> recall_mentioned(std::string_view text);
  // A second session in the same state, sharing all pages, with a thread team of its own.
  Result<std::unique_ptr<Session>> fork() const;

  // What the routers did since the session began or reset_expert_stats(); no layers for a dense model. Truncating does
  // not take tokens back.
  const ExpertStats& expert_stats() const;
  void reset_expert_stats();

  size_t kv_bytes() const;       // bytes of KV pages of this sequence
  size_t scratch_bytes() const;  // bytes of activations and other buffers

  const SessionOptions& options() const;  // as given, with what was automatic filled in

  friend class PrefixCache;
  friend class SessionFile;

 private:
  struct State;
  Status check_row(int position, std::span<const float> row) const;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Threads a session uses by default: the cores this process may run on, within its cgroup's CPU quota; at least 1.
int default_threads();

}  // namespace kedge::engine
