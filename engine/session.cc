#include "engine/session.h"

#include <algorithm>

#include "engine/memory_plan.h"
#include "engine/sampler.h"
#include "engine/session_state.h"
#include "kernels/isa.h"

namespace kedge::engine {

namespace {

bool has_fast_kernels(const KernelTable& table) {
  return std::any_of(std::begin(table.fast), std::end(table.fast), [](MatmulFn f) { return f != nullptr; });
}

Error outside(const char* name, int value, const std::string& range) {
  return {ErrorCode::kInvalidArgument, std::string(name) + " is " + std::to_string(value) + ", must be " + range};
}

}  // namespace

Result<KvShape> kv_shape(const ModelConfig& c, KvFormat type, int n_ctx) {
  const KvLayout layout{type, c.head_dim_k, c.head_dim_v};
  if (!layout.fits()) {
    return Error{ErrorCode::kUnsupported, "a " + std::string(info(type).name) +
                                              " KV cache needs head sizes that are multiples of " +
                                              std::to_string(info(type).block) + ", this model has " +
                                              std::to_string(c.head_dim_k) + " and " + std::to_string(c.head_dim_v)};
  }
  return KvShape{layout, c.n_layers, c.n_kv_heads, n_ctx};
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;

Result<std::unique_ptr<Session::State>> Session::State::make(std::shared_ptr<const Model> model,
                                                             const SessionOptions& o) {
  const ModelConfig& c = model->config();
  constexpr int kMaxContext = 1 << 24;
  constexpr int kMaxThreads = 1024;
  constexpr int kMaxChunk = 1 << 16;
  if (o.n_ctx < 0 || o.n_ctx > kMaxContext) return outside("context length", o.n_ctx, "0 (the model's) to 16777216");
  if (o.n_threads < 0 || o.n_threads > kMaxThreads)
    return outside("thread count", o.n_threads, "0 (automatic) to 1024");
  if (o.chunk < 1 || o.chunk > kMaxChunk) return outside("prefill chunk", o.chunk, "1 to 65536");
  if (!model->has_network()) {
    return Error{ErrorCode::kInvalidArgument, "the model was opened for its vocabulary only: no session can be made"};
  }
  auto s = std::make_unique<State>();
  KEDGE_ASSIGN(kernels, active_kernels());
  s->fast = o.numerics == Numerics::kFast;
  if (s->fast && !has_fast_kernels(*kernels)) {
    return Error{ErrorCode::kUnsupported,
                 std::string("numerics 'fast' needs the instruction set amx; in use is ") + kernels->name};
  }
  s->kernels = kernels;
  s->options = o;
  s->options.n_ctx = o.n_ctx == 0 ? c.n_ctx_train : o.n_ctx;
  s->options.n_threads = o.n_threads == 0 ? default_threads() : o.n_threads;
  KEDGE_ASSIGN(team, ThreadTeam::make(s->options.n_threads, {.n_cpus = default_threads()}));
  s->team = std::move(team);
  s->model = std::move(model);
  s->last_logits.resize(static_cast<size_t>(c.n_vocab));
  return s;
}

Status Session::State::use(std::unique_ptr<KvMemory> used) {
  memory = std::move(used);
  options.chunk = std::min(options.chunk, memory->budget());
  const bool watch = memory->bounded() && (memory->policy().observe.rows > 0 || memory->options().recall_threshold > 0);
  KEDGE_ASSIGN(made, StepBuffers::make(model->config(), model->network().floats_per_row(), options.chunk,
                                       memory->budget(), watch, options.n_threads, fast));
  buffers = std::move(made);
  texts.reserve(static_cast<size_t>(options.chunk));
  tokens.reserve(static_cast<size_t>(options.n_ctx));
  return {};
}

Result<std::unique_ptr<Session>> Session::create(std::shared_ptr<const Model> model, const SessionOptions& o) {
  KEDGE_ASSIGN(s, State::make(std::move(model), o));
  KEDGE_ASSIGN(shape, kv_shape(s->model->config(), o.kv_type, s->options.n_ctx));
  KEDGE_ASSIGN(memory, KvMemory::create(shape, o.kv, *s->kernels));
  const KvArena& arena = memory->sequence().arena();  // not touched yet
  KEDGE_TRY(check_memory(arena.pages_total() * arena.page_bytes(),
                         "the KV cache of " + std::to_string(memory->budget()) + " tokens takes",
                         "; a smaller context, a KV budget or another cache type needs less"));
  KEDGE_TRY(s->use(std::move(memory)));
  return std::unique_ptr<Session>(new Session(std::move(s)));
}

Result<std::unique_ptr<Session>> Session::fork() const {
  KEDGE_ASSIGN(s, State::make(state_->model, state_->options));
  KEDGE_ASSIGN(memory, state_->memory->fork());
  KEDGE_TRY(s->use(std::move(memory)));
  s->tokens.assign(state_->tokens.begin(), state_->tokens.end());
  s->last_logits = state_->last_logits;
  s->has_logits = state_->has_logits;
  return std::unique_ptr<Session>(new Session(std::move(s)));
}

const Model& Session::model() const { return *state_->model; }
const SessionOptions& Session::options() const { return state_->options; }
int Session::n_ctx() const { return state_->options.n_ctx; }
int Session::n_threads() const { return state_->team.size(); }
int Session::n_past() const { return state_->memory->sequence().next_position(); }
std::span<const int32_t> Session::tokens() const { return state_->tokens; }
const KvMemory& Session::memory() const { return *state_->memory; }

Status Session::State::check_tokens(std::span<const int32_t> added) const {
  if (added.empty()) return Error{ErrorCode::kInvalidArgument, "no tokens to evaluate"};
  const int n_vocab = model->config().n_vocab;
  for (size_t i = 0; i < added.size(); ++i) {
    if (added[i] < 0 || added[i] >= n_vocab) {
      return Error{ErrorCode::kInvalidArgument, "token " + std::to_string(added[i]) + " at index " + std::to_string(i) +
                                                    " is outside the vocabulary of " + std::to_string(n_vocab)};
    }
  }
  const int past = memory->sequence().next_position();
  if (added.size() > static_cast<size_t>(options.n_ctx - past)) {
    return Error{ErrorCode::kCapacity, "context full: " + std::to_string(past) + " tokens are in the cache, " +
                                           std::to_string(added.size()) + " more do not fit into a context of " +
                                           std::to_string(options.n_ctx)};
  }
  return {};
}

void Session::State::read_texts(std::span<const int32_t> added) {
  const Tokenizer& tokenizer = model->tokenizer();
  texts.clear();
  if (!memory->bounded()) return;
  for (const int32_t id : added) texts.push_back(tokenizer.is_control(id) ? "\n" : tokenizer.piece(id));
}

Status Session::State::evaluate(std::span<const int32_t> added, bool all, const LogitSink& sink,
                                const EvalHooks& hooks) {
  KEDGE_TRY(check_tokens(added));
  has_logits = false;
  for (size_t done = 0; done < added.size();) {
    KEDGE_ASSIGN(room, memory->make_room(team));
    size_t n = std::min({added.size() - done, static_cast<size_t>(options.chunk), static_cast<size_t>(room)});
    read_texts(added.subspan(done, n));
    if (memory->bounded()) n = memory->allowed(texts);
    const auto part = added.subspan(done, n);
    KEDGE_TRY(memory->sequence().reserve(static_cast<int>(n)));
    const bool last = done + n == added.size();
    // A cancelled step must not leave half of its attention behind.
    const bool watched = hooks.cancel != nullptr && memory->first_watched(static_cast<int>(n)) < static_cast<int>(n);
    if (watched) memory->sequence().keep_scores();
    // Without a use for them not even one row of logits is computed.
    const int first_row = all ? 0 : static_cast<int>(last ? n - 1 : n);
    Step step(model->config(), *kernels, fast, team, buffers, *memory, part, first_row, sink, hooks.cancel);
    model->network().forward(step);
    if (step.stopped()) {
      if (watched) memory->sequence().undo_scores();
      memory->disturb();
      return std::move(step.status());
    }
    memory->sequence().commit(static_cast<int>(n));
    tokens.insert(tokens.end(), part.begin(), part.end());
    if (memory->bounded()) KEDGE_TRY(memory->noted(std::span(texts).first(n), team));
    done += n;
    if (hooks.progress && !hooks.progress(done, added.size())) {
      return Error{ErrorCode::kCancelled,
                   "cancelled after " + std::to_string(done) + " of " + std::to_string(added.size()) + " tokens"};
    }
  }
  has_logits = true;
  return {};
}

// Every row of logits comes through here, whoever asked for it: what is no number goes no further.
Status Session::check_row(int position, std::span<const float> row) const {
  Status status = check_finite(row, position);
  if (status.ok() || state_->options.kv_type == KvFormat::kF32) return status;
  Error error = std::move(status).error();
  error.message += "; a float32 cache (--kv-type f32) holds more";
  return error;
}

Status Session::eval(std::span<const int32_t> tokens, const EvalHooks& hooks) {
  State& s = *state_;
  const LogitSink sink = [&](int i, std::span<const float> row) -> Status {
    KEDGE_TRY(check_row(n_past() + i, row));
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
    KEDGE_TRY(check_row(n_past() + i, logits));
    std::copy(logits.begin(), logits.end(), s.last_logits.begin());
    return row(n_past() + i, logits);
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
  KEDGE_TRY(state_->memory->truncate(n, state_->team));
  state_->tokens.resize(static_cast<size_t>(n));
  state_->has_logits = false;
  return {};
}

Result<std::vector<KvMemory::Refusal>> Session::add_segments(std::span<const Segment> segments) {
  return state_->memory->add_segments(segments);
}

Result<KvMemory::Recalled> Session::recall(int first, int last) {
  return state_->memory->recall(first, last, state_->team);
}

Result<KvMemory::Recalled> Session::recall_mentioned(std::string_view text) {
  return state_->memory->recall_mentioned(text, state_->team);
}

const ExpertStats& Session::expert_stats() const { return state_->buffers.expert_stats; }
void Session::reset_expert_stats() { state_->buffers.expert_stats.reset(); }
size_t Session::kv_bytes() const {
  return state_->memory->sequence().pages() * state_->memory->sequence().arena().page_bytes();
}
size_t Session::scratch_bytes() const { return state_->buffers.bytes(); }

}  // namespace kedge::engine
