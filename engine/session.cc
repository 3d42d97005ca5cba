#include "engine/session.h"

#include <algorithm>

#include "engine/step.h"
#include "kernels/isa.h"
#include "memory/kv_sequence.h"

namespace kedge {

struct Session::State {
  std::shared_ptr<const Model> model;
  const KernelTable* kernels = nullptr;
  ThreadTeam team;
  int chunk = 0;
  bool fast = false;  // Numerics::kFast
  std::unique_ptr<KvArena> arena;
  std::unique_ptr<KvSequence> kv;
  StepBuffers buffers;
  std::vector<int32_t> tokens;
  std::vector<float> last_logits;
  bool has_logits = false;

  Status check_tokens(std::span<const int32_t> added) const;
  Status evaluate(std::span<const int32_t> added, bool all, const LogitSink& sink, const EvalHooks& hooks);
};

namespace {

Result<KvFormat> kv_format(KvType type, const ModelConfig& c) {
  if (type == KvType::kF32) return KvFormat::kF32;
  if (type == KvType::kF16) return KvFormat::kF16;
  if (c.head_dim_k % 32 != 0 || c.head_dim_v % 32 != 0) {
    return Error{ErrorCode::kUnsupported, "a q8_0 KV cache needs head sizes that are multiples of 32, this model has " +
                                              std::to_string(c.head_dim_k) + " and " + std::to_string(c.head_dim_v)};
  }
  return KvFormat::kQ8_0;
}

bool has_fast_kernels(const KernelTable& table) {
  return std::any_of(std::begin(table.fast), std::end(table.fast), [](MatmulFn f) { return f != nullptr; });
}

}  // namespace

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::create(std::shared_ptr<const Model> model, const SessionOptions& o) {
  const ModelConfig& c = model->config();
  auto invalid = [](const char* name, int value, const std::string& range) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string(name) + " is " + std::to_string(value) + ", must be " + range};
  };
  constexpr int kMaxContext = 1 << 24;
  constexpr int kMaxThreads = 1024;
  constexpr int kMaxChunk = 1 << 16;
  if (o.n_ctx < 0 || o.n_ctx > kMaxContext) return invalid("context length", o.n_ctx, "0 (the model's) to 16777216");
  if (o.n_threads < 0 || o.n_threads > kMaxThreads)
    return invalid("thread count", o.n_threads, "0 (automatic) to 1024");
  if (o.chunk < 1 || o.chunk > kMaxChunk) return invalid("prefill chunk", o.chunk, "1 to 65536");
  if (!model->has_network()) {
    return Error{ErrorCode::kInvalidArgument, "the model was opened for its vocabulary only: no session can be made"};
  }
  auto s = std::make_unique<State>();
  KEDGE_ASSIGN(kernels, active_kernels());
  KEDGE_ASSIGN(format, kv_format(o.kv_type, c));
  const bool fast = o.numerics == Numerics::kFast;
  if (fast && !has_fast_kernels(*kernels)) {
    return Error{ErrorCode::kUnsupported,
                 std::string("numerics 'fast' needs the instruction set amx; in use is ") + kernels->name};
  }
  const int n_ctx = o.n_ctx == 0 ? c.n_ctx_train : o.n_ctx;
  const int n_threads = o.n_threads == 0 ? default_threads() : o.n_threads;
  s->model = std::move(model);
  s->kernels = kernels;
  s->fast = fast;
  KEDGE_ASSIGN(team, ThreadTeam::make(n_threads, {.n_cpus = default_threads()}));
  s->team = std::move(team);
  s->chunk = std::min(o.chunk, n_ctx);
  const KvLayout layout{format, c.head_dim_k, c.head_dim_v};
  KEDGE_ASSIGN(arena, KvArena::create(layout, KvSequence::pages_for(c.n_layers, c.n_kv_heads, n_ctx)));
  s->arena = std::move(arena);
  s->kv = std::make_unique<KvSequence>(*s->arena, c.n_layers, c.n_kv_heads, n_ctx);
  KEDGE_ASSIGN(buffers, StepBuffers::make(c, s->model->network().floats_per_row(), s->chunk, n_ctx, n_threads, fast));
  s->buffers = std::move(buffers);
  s->tokens.reserve(static_cast<size_t>(n_ctx));
  s->last_logits.resize(static_cast<size_t>(c.n_vocab));
  return std::unique_ptr<Session>(new Session(std::move(s)));
}

const Model& Session::model() const { return *state_->model; }
int Session::n_ctx() const { return state_->kv->capacity(); }
int Session::n_threads() const { return state_->team.size(); }
int Session::n_past() const { return state_->kv->length(); }
std::span<const int32_t> Session::tokens() const { return state_->tokens; }

Status Session::State::check_tokens(std::span<const int32_t> added) const {
  if (added.empty()) return Error{ErrorCode::kInvalidArgument, "no tokens to evaluate"};
  const int n_vocab = model->config().n_vocab;
  for (size_t i = 0; i < added.size(); ++i) {
    if (added[i] < 0 || added[i] >= n_vocab) {
      return Error{ErrorCode::kInvalidArgument, "token " + std::to_string(added[i]) + " at index " + std::to_string(i) +
                                                    " is outside the vocabulary of " + std::to_string(n_vocab)};
    }
  }
  const auto room = static_cast<size_t>(kv->capacity() - kv->length());
  if (added.size() > room) {
    return Error{ErrorCode::kCapacity, "context full: " + std::to_string(kv->length()) + " tokens are in the cache, " +
                                           std::to_string(added.size()) + " more do not fit into a context of " +
                                           std::to_string(kv->capacity())};
  }
  return {};
}

Status Session::State::evaluate(std::span<const int32_t> added, bool all, const LogitSink& sink,
                                const EvalHooks& hooks) {
  KEDGE_TRY(check_tokens(added));
  has_logits = false;
  for (size_t done = 0; done < added.size();) {
    const size_t n = std::min(added.size() - done, static_cast<size_t>(chunk));
    const auto part = added.subspan(done, n);
    KEDGE_TRY(kv->reserve(static_cast<int>(n)));
    const bool last = done + n == added.size();
    // Without a use for them not even one row of logits is computed.
    const int first_row = all ? 0 : static_cast<int>(last ? n - 1 : n);
    Step step(model->config(), *kernels, fast, team, buffers, *kv, part, first_row, sink, hooks.cancel);
    model->network().forward(step);
    if (step.stopped()) return std::move(step.status());
    kv->commit(static_cast<int>(n));
    tokens.insert(tokens.end(), part.begin(), part.end());
    done += n;
    if (hooks.progress && !hooks.progress(done, added.size())) {
      return Error{ErrorCode::kCancelled,
                   "cancelled after " + std::to_string(done) + " of " + std::to_string(added.size()) + " tokens"};
    }
  }
  has_logits = true;
  return {};
}

Status Session::eval(std::span<const int32_t> tokens, const EvalHooks& hooks) {
  State& s = *state_;
  const LogitSink sink = [&](int, std::span<const float> row) -> Status {
    std::copy(row.begin(), row.end(), s.last_logits.begin());
    return {};
  };
  return s.evaluate(tokens, false, sink, hooks);
}

Status Session::eval_all(std::span<const int32_t> tokens,
                         const std::function<Status(int position, std::span<const float>)>& row,
                         const EvalHooks& hooks) {
  State& s = *state_;
  const LogitSink sink = [&](int i, std::span<const float> logits) -> Status {
    std::copy(logits.begin(), logits.end(), s.last_logits.begin());
    return row(s.kv->length() + i, logits);
  };
  return s.evaluate(tokens, true, sink, hooks);
}

std::span<const float> Session::logits() const {
  if (!state_->has_logits) return {};
  return state_->last_logits;
}

Status Session::truncate(int n) {
  if (n < 0 || n > n_past()) {
    return Error{ErrorCode::kInvalidArgument,
                 "cannot keep " + std::to_string(n) + " tokens: the cache has " + std::to_string(n_past())};
  }
  state_->kv->truncate(n);
  state_->tokens.resize(static_cast<size_t>(n));
  state_->has_logits = false;
  return {};
}

const ExpertStats& Session::expert_stats() const { return state_->buffers.expert_stats; }
void Session::reset_expert_stats() { state_->buffers.expert_stats.reset(); }
size_t Session::kv_bytes() const { return state_->arena->pages_in_use() * state_->arena->page_bytes(); }
size_t Session::scratch_bytes() const { return state_->buffers.bytes(); }

}  // namespace kedge
