#include "engine/session.h"

#include <algorithm>

#include "engine/engine_state.h"
#include "engine/memory_plan.h"

namespace kedge::engine {

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

Status check_context(int n_ctx) {
  constexpr int kMaxContext = 1 << 24;
  if (n_ctx >= 0 && n_ctx <= kMaxContext) return {};
  return Error{ErrorCode::kInvalidArgument,
               "context length is " + std::to_string(n_ctx) + ", must be 0 (the model's) to 16777216"};
}

// --- A sequence ---

Session::State::State(std::shared_ptr<Engine> owner, SessionOptions given, std::unique_ptr<KvMemory> kv)
    : engine(std::move(owner)), options(std::move(given)), memory(std::move(kv)) {
  const ModelConfig& c = engine->model()->config();
  if (c.n_experts > 0) experts.resize(c.n_expert_layers, c.n_experts, c.n_experts_used);
  engine->add(*this);
}

Session::State::~State() {
  in_use.lock();  // nobody is moving its pages
  engine->remove(*this);
  in_use.unlock();
  memory.reset();
  engine->pages_freed();
}

Status Session::State::check_tokens(std::span<const int32_t> added) const {
  if (added.empty()) return Error{ErrorCode::kInvalidArgument, "no tokens to evaluate"};
  const int n_vocab = engine->model()->config().n_vocab;
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
  const Tokenizer& tokenizer = engine->model()->tokenizer();
  texts.clear();
  if (!memory->bounded()) return;
  for (const int32_t id : added) texts.push_back(tokenizer.is_control(id) ? "\n" : tokenizer.piece(id));
}

// --- The handle ---

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::create(std::shared_ptr<const Model> model, const SessionOptions& options) {
  KEDGE_TRY(check_context(options.n_ctx));
  SessionOptions o = options;
  const ModelConfig& c = model->config();
  if (o.n_ctx == 0) o.n_ctx = c.n_ctx_train;
  KEDGE_ASSIGN(shape, kv_shape(c, o.kv_type, o.n_ctx));
  const int budget = o.kv.budget == 0 ? o.n_ctx : std::min(o.kv.budget, o.n_ctx);
  KEDGE_ASSIGN(engine, Engine::alone(std::move(model), o, budget));
  KEDGE_ASSIGN(memory, KvMemory::create(shape, o.kv, engine->kernels()));
  const KvArena& arena = memory->sequence().arena();  // not touched yet
  KEDGE_TRY(check_memory(arena.pages_total() * arena.page_bytes(),
                         "the KV cache of " + std::to_string(memory->budget()) + " tokens takes",
                         "; a smaller context, a KV budget or another cache type needs less"));
  return engine->adopt(o, std::move(memory));
}

Result<std::unique_ptr<Session>> Session::fork() const {
  const State& s = *state_;
  auto copied = between_steps([&](const ThreadTeam&) { return s.memory->fork(); });
  if (!copied.ok()) return std::move(copied).error();
  std::shared_ptr<Engine> engine = s.engine;
  if (engine->arena() == nullptr) {
    KEDGE_ASSIGN(own, Engine::alone(engine->model(), s.options, s.memory->budget()));
    engine = std::move(own);
  }
  KEDGE_ASSIGN(made, engine->adopt(s.options, std::move(copied).value()));
  made->state_->tokens = s.tokens;
  made->state_->last_logits = s.last_logits;
  made->state_->has_logits = s.has_logits;
  return made;
}

const Model& Session::model() const { return *state_->engine->model(); }
const std::shared_ptr<Engine>& Session::engine() const { return state_->engine; }
const SessionOptions& Session::options() const { return state_->options; }
int Session::n_ctx() const { return state_->options.n_ctx; }
int Session::n_threads() const { return state_->engine->team().size(); }
int Session::n_past() const { return state_->memory->sequence().next_position(); }
std::span<const int32_t> Session::tokens() const { return state_->tokens; }
const KvMemory& Session::memory() const { return *state_->memory; }
int Session::default_tokens() const { return state_->engine->options().default_tokens; }

Status Session::evaluate(std::span<const int32_t> tokens, const RowSink* rows, const EvalHooks& hooks) {
  const auto held = use();
  KEDGE_TRY(state_->check_tokens(tokens));
  state_->has_logits = false;
  Engine::Call call;
  call.sequence = state_.get();
  call.tokens = tokens;
  call.rows = rows;
  call.hooks = &hooks;
  return state_->engine->run(call);
}

Status Session::eval(std::span<const int32_t> tokens, const EvalHooks& hooks) {
  return evaluate(tokens, nullptr, hooks);
}

Status Session::eval_all(std::span<const int32_t> tokens,
                         const std::function<Status(int position, std::span<const float>)>& row,
                         const EvalHooks& hooks) {
  return evaluate(tokens, &row, hooks);
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
  KEDGE_TRY(between_steps([&](const ThreadTeam& team) { return state_->memory->truncate(n, team); }));
  state_->tokens.resize(static_cast<size_t>(n));
  state_->has_logits = false;
  state_->engine->pages_freed();
  return {};
}

// What rollback() puts back.
struct Session::Checkpoint {
  const State* of;
  KvCheckpoint memory;
  std::vector<int32_t> tokens;
  std::vector<float> logits;
  bool has_logits;
};

Result<std::shared_ptr<const Session::Checkpoint>> Session::checkpoint() const {
  const State& s = *state_;
  auto kept = between_steps([&](const ThreadTeam&) { return s.memory->checkpoint(); });
  if (!kept.ok()) return std::move(kept).error();
  return std::make_shared<const Checkpoint>(
      Checkpoint{&s, std::move(kept).value(), s.tokens, s.last_logits, s.has_logits});
}

Status Session::rollback(const Checkpoint& to) {
  State& s = *state_;
  if (to.of != &s) return Error{ErrorCode::kInvalidArgument, "the checkpoint is of another session"};
  KEDGE_TRY(between_steps([&](const ThreadTeam&) { return s.memory->rollback(to.memory); }));
  s.tokens = to.tokens;
  s.last_logits = to.logits;
  s.has_logits = to.has_logits;
  s.engine->pages_freed();
  return {};
}

Result<std::vector<KvMemory::Refusal>> Session::add_segments(std::span<const Segment> segments) {
  return between_steps([&](const ThreadTeam&) { return state_->memory->add_segments(segments); });
}

Result<KvMemory::Recalled> Session::recall(int first, int last) {
  return between_steps([&](const ThreadTeam& team) { return state_->memory->recall(first, last, team); });
}

Result<KvMemory::Recalled> Session::recall_mentioned(std::string_view text) {
  return between_steps([&](const ThreadTeam& team) { return state_->memory->recall_mentioned(text, team); });
}

const ExpertStats& Session::expert_stats() const { return state_->experts; }
void Session::reset_expert_stats() { state_->experts.reset(); }
size_t Session::kv_bytes() const {
  return state_->memory->sequence().pages() * state_->memory->sequence().arena().page_bytes();
}
size_t Session::scratch_bytes() const { return state_->engine->buffer_bytes(); }
double Session::cost_s() const { return state_->cost_s; }

std::unique_lock<std::recursive_mutex> Session::use() const { return std::unique_lock(state_->in_use); }

Result<Session::Admission> Session::Admission::wait(Session& session, size_t n_tokens, const EvalHooks& hooks) {
  KEDGE_TRY(session.state_->engine->admit(*session.state_, n_tokens, hooks));
  return Admission(session);
}

Session::Admission::Admission(Admission&& other) noexcept : session_(std::exchange(other.session_, nullptr)) {}
Session::Admission::~Admission() {
  if (session_ != nullptr) session_->state_->engine->dismiss(*session_->state_);
}

}  // namespace kedge::engine
