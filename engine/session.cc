#include "engine/session.h"

#include <algorithm>

#include "engine/engine_state.h"
#include "engine/memory_plan.h"

namespace kedge::engine {

namespace {

// The one layout of the layers that have tables, with a window or without.
Result<KvLayout> layout_of(const ModelConfig& c, KvFormat type, bool windowed) {
  KvLayout layout{type};
  bool any = false;
  for (const LayerShape& l : c.layers) {
    if (l.n_kv_heads == 0 || (l.window > 0) != windowed) continue;
    const KvLayout own{type, l.head_dim_k, l.head_dim_v, l.values_in_keys};
    const bool same =
        own.head_dim_k == layout.head_dim_k && own.head_dim_v == layout.head_dim_v && own.v_in_k == layout.v_in_k;
    if (any && !same) {
      return Error{ErrorCode::kUnsupported,
                   std::string("layers ") + (windowed ? "with" : "without") + " a window differ in their head sizes: " +
                       std::to_string(layout.head_dim_k) + " and " + std::to_string(own.head_dim_k) + " for keys"};
    }
    layout = own;
    any = true;
  }
  if (layout.fits()) return layout;
  return Error{ErrorCode::kUnsupported,
               "a " + std::string(info(type).name) + " KV cache needs head sizes that are multiples of " +
                   std::to_string(info(type).block) + ", this model has " + std::to_string(layout.head_dim_k) +
                   " and " + std::to_string(layout.head_dim_v)};
}

}  // namespace

Result<KvShape> kv_shape(const ModelConfig& c, KvFormat type, int n_ctx, int step_tokens) {
  if (c.most_positions > 0 && n_ctx > c.most_positions) {
    return Error{ErrorCode::kInvalidArgument, "a context of " + std::to_string(n_ctx) + ", the model has learned " +
                                                  std::to_string(c.most_positions) + " positions"};
  }
  KEDGE_ASSIGN(layout, layout_of(c, type, false));
  KEDGE_ASSIGN(window_layout, layout_of(c, type, true));
  KvShape shape{layout, c.n_layers, c.layers.empty() ? 0 : c.layers[0].n_kv_heads, n_ctx};
  const auto like_first = [&](const LayerShape& l) { return l.n_kv_heads == shape.n_kv_heads && l.window == 0; };
  if (!std::all_of(c.layers.begin(), c.layers.end(), like_first)) {
    for (const LayerShape& l : c.layers) shape.layers.push_back({l.n_kv_heads, l.n_kv_heads > 0 ? l.window : 0});
  }
  shape.window_layout = window_layout;
  shape.state_floats = static_cast<int64_t>(c.state_floats());
  shape.step_tokens = step_tokens;
  if (shape.only_forward()) shape.kept = kKeptStates + 2;  // and some for who asks for checkpoints
  return shape;
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
  ahead.step.reset();
  engine->remove(*this);
  in_use.unlock();
  kept.clear();
  memory.reset();
  engine->pages_freed();
}

// An encoder's tokens see each other: all of a text goes through one step.
Status Session::State::check_whole(size_t n_tokens, int past) const {
  const auto most = static_cast<size_t>(engine->options().step_tokens);
  if (past > 0 || memory->bounded()) {
    return Error{ErrorCode::kUnsupported,
                 "a model that reads in both directions takes a text at once, into a sequence "
                 "without tokens and without a KV budget"};
  }
  if (n_tokens <= most) return {};
  return Error{ErrorCode::kCapacity, "the text has " + std::to_string(n_tokens) +
                                         " tokens: a model that reads in both directions takes it in one step, and a "
                                         "step of this engine has room for " +
                                         std::to_string(most) + " (step_tokens)"};
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
  const int past = n_past();
  if (engine->model()->config().both_directions) KEDGE_TRY(check_whole(added.size(), past));
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
  KEDGE_ASSIGN(shape, kv_shape(c, o.kv_type, o.n_ctx, o.chunk));
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
  std::vector<State::Kept> kept;
  auto copied = between_steps([&](const ThreadTeam&) {
    kept = s.kept;
    return s.memory->fork();
  });
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
  made->state_->kept = std::move(kept);
  made->state_->n_kept = s.n_kept;
  made->state_->announced = s.announced;
  return made;
}

const Model& Session::model() const { return *state_->engine->model(); }
const std::shared_ptr<Engine>& Session::engine() const { return state_->engine; }
const SessionOptions& Session::options() const { return state_->options; }
int Session::n_ctx() const { return state_->options.n_ctx; }
int Session::n_threads() const { return state_->engine->team().size(); }
int Session::n_past() const { return state_->n_past(); }
std::span<const int32_t> Session::tokens() const { return state_->tokens; }
const KvMemory& Session::memory() const { return *state_->memory; }
int Session::default_tokens() const { return state_->engine->options().default_tokens; }

Status Session::evaluate(std::span<const int32_t> tokens, const RowSink* rows, std::optional<size_t> hidden_from,
                         const EvalHooks& hooks) {
  const auto held = use();
  if (rows != nullptr) KEDGE_TRY(settle());  // rows are those of `tokens` alone
  KEDGE_TRY(state_->check_tokens(tokens));
  Engine::Call call;
  call.tokens = tokens;
  call.rows = rows;
  call.hidden_from = hidden_from;
  call.hooks = &hooks;
  return state_->run(call);
}

Status Session::eval(std::span<const int32_t> tokens, const EvalHooks& hooks) {
  return evaluate(tokens, nullptr, {}, hooks);
}

Status Session::eval_all(std::span<const int32_t> tokens,
                         const std::function<Status(int position, std::span<const float>)>& row,
                         const EvalHooks& hooks) {
  return evaluate(tokens, &row, {}, hooks);
}

Status Session::eval_hidden(std::span<const int32_t> tokens, size_t first,
                            const std::function<Status(int position, std::span<const float>)>& row,
                            const EvalHooks& hooks) {
  return evaluate(tokens, &row, first, hooks);
}

Status Session::eval_together(std::span<Session* const> sessions, std::span<const int32_t> tokens,
                              const EvalHooks& hooks) {
  if (sessions.empty()) return {};
  if (tokens.size() != sessions.size()) return Error{ErrorCode::kInvalidArgument, "a token for each session is needed"};
  Engine& engine = *sessions.front()->state_->engine;
  for (size_t i = 0; i < sessions.size(); ++i) {
    if (sessions[i]->state_->engine.get() != &engine) {
      return Error{ErrorCode::kInvalidArgument, "sessions evaluated together have to be of one engine"};
    }
    if (std::find(sessions.begin(), sessions.begin() + static_cast<ptrdiff_t>(i), sessions[i]) !=
        sessions.begin() + static_cast<ptrdiff_t>(i)) {
      return Error{ErrorCode::kInvalidArgument, "a session cannot be evaluated twice at once"};
    }
  }
  std::vector<std::unique_lock<std::recursive_mutex>> held;
  std::vector<Engine::Call> calls(sessions.size());
  std::vector<Engine::Call*> pointers;
  for (size_t i = 0; i < sessions.size(); ++i) {
    held.push_back(sessions[i]->use());
    KEDGE_TRY(sessions[i]->settle());
    State& s = *sessions[i]->state_;
    KEDGE_TRY(s.check_tokens(tokens.subspan(i, 1)));
    calls[i].sequence = &s;
    calls[i].tokens = tokens.subspan(i, 1);
    calls[i].hooks = &hooks;
    pointers.push_back(&calls[i]);
  }
  for (Engine::Call& call : calls) call.sequence->has_logits = false;
  engine.run(pointers);
  for (Engine::Call& call : calls) KEDGE_TRY(std::move(call.status));
  return {};
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
  State& s = *state_;
  const auto held = use();
  KEDGE_TRY(settle());
  // With a budget what left since would stay away; where going back is to copies it is as if it had never left.
  const bool to_a_copy = s.memory->shape().only_forward() && s.memory->bounded() && n < n_past();
  if (s.memory->can_truncate(n) && !to_a_copy) {
    KEDGE_TRY(between_steps([&](const ThreadTeam& team) {
      while (!s.kept.empty() && s.kept.back().position > n) s.kept.pop_back();
      return s.memory->truncate(n, team);
    }));
    s.tokens.resize(static_cast<size_t>(n));
    if (n == 0) s.announced.clear();
  } else {
    KEDGE_TRY(go_back(n));
  }
  s.has_logits = false;
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
  std::vector<State::Announced> announced;
  std::vector<uint64_t> kept;  // numbers of those that are on its way
};

Result<std::shared_ptr<const Session::Checkpoint>> Session::checkpoint() const {
  const State& s = *state_;
  std::vector<uint64_t> on_its_way;
  auto kept = between_steps([&](const ThreadTeam&) {
    on_its_way.clear();
    for (const State::Kept& k : s.kept) on_its_way.push_back(k.number);
    return s.memory->checkpoint();
  });
  if (!kept.ok()) return std::move(kept).error();
  return std::make_shared<const Checkpoint>(Checkpoint{&s, std::move(kept).value(), s.tokens, s.last_logits,
                                                       s.has_logits, s.announced, std::move(on_its_way)});
}

Status Session::rollback(const Checkpoint& to) {
  State& s = *state_;
  if (to.of != &s) return Error{ErrorCode::kInvalidArgument, "the checkpoint is of another session"};
  KEDGE_TRY(between_steps([&](const ThreadTeam&) {
    Status done = s.memory->rollback(to.memory);
    const auto astray = [&](const State::Kept& k) {
      return std::find(to.kept.begin(), to.kept.end(), k.number) == to.kept.end();
    };
    if (done.ok()) std::erase_if(s.kept, astray);
    return done;
  }));
  s.announced = to.announced;
  s.tokens = to.tokens;
  s.last_logits = to.logits;
  s.has_logits = to.has_logits;
  s.engine->pages_freed();
  return {};
}

Result<std::vector<KvMemory::Refusal>> Session::add_segments(std::span<const Segment> segments) {
  State& s = *state_;
  auto refused = between_steps([&](const ThreadTeam&) { return s.memory->add_segments(segments); });
  if (refused.ok() && s.memory->shape().only_forward()) {
    s.announced.push_back({n_past(), {segments.begin(), segments.end()}});
  }
  return refused;
}

Result<KvMemory::Recalled> Session::recall(int first, int last) {
  return between_steps([&](const ThreadTeam& team) { return state_->memory->recall(first, last, team); });
}

Result<KvMemory::Recalled> Session::recall_mentioned(std::string_view text) {
  return between_steps([&](const ThreadTeam& team) { return state_->memory->recall_mentioned(text, team); });
}

const ExpertStats& Session::expert_stats() const { return state_->experts; }
void Session::reset_expert_stats() { state_->experts.reset(); }

Status Session::look(const std::function<void(const KvMemory& memory, const ExpertStats& experts)>& at) const {
  Engine& engine = *state_->engine;
  if (engine.leads_here()) {
    return Error{ErrorCode::kInvalidArgument,
                 "the session is in use by the call whose callback for rows this is: a step is under way"};
  }
  return engine.exclusively([&](const ThreadTeam&) -> Status {
    at(*state_->memory, state_->experts);
    return {};
  });
}

Status Session::watch_activations(ActivationStats* stats) {
  if (state_->engine->is_shared()) {
    return Error{ErrorCode::kUnsupported, "activations are watched in a session with an engine of its own"};
  }
  state_->engine->watch_activations(stats);
  return {};
}

size_t Session::kv_bytes() const {
  return state_->memory->sequence().pages() * state_->memory->sequence().arena().page_bytes();
}
size_t Session::scratch_bytes() const { return state_->engine->buffer_bytes(); }
double Session::cost_s() const { return state_->cost_s; }

std::unique_lock<std::recursive_mutex> Session::use() const { return std::unique_lock(state_->in_use); }

Result<Session::Admission> Session::Admission::wait(Session& session, ExpectedTokens expected, const EvalHooks& hooks) {
  KEDGE_TRY(session.state_->engine->admit(*session.state_, expected, hooks));
  return Admission(session);
}

Session::Admission::Admission(Admission&& other) noexcept : session_(std::exchange(other.session_, nullptr)) {}
Session::Admission::~Admission() {
  if (session_ != nullptr) session_->state_->engine->dismiss(*session_->state_);
}

}  // namespace kedge::engine
