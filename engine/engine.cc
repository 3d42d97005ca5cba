#include "engine/engine.h"

#include <algorithm>

#include "engine/engine_state.h"
#include "engine/memory_plan.h"
#include "engine/system_info.h"
#include "kernels/base/json.h"
#include "kernels/fast_kernels.h"
#include "kernels/isa.h"

namespace kedge::engine {

namespace {

Status in_range(const char* name, double value, double low, double high, const std::string& range) {
  if (value >= low && value <= high) return {};
  std::string number = std::to_string(value);
  if (value == static_cast<double>(static_cast<int64_t>(value))) number = std::to_string(static_cast<int64_t>(value));
  return Error{ErrorCode::kInvalidArgument, std::string(name) + " is " + number + ", must be " + range};
}

Status check(const EngineOptions& o) {
  KEDGE_TRY(in_range("thread count", o.n_threads, 0, 1024, "0 (automatic) to 1024"));
  KEDGE_TRY(in_range("sequences in a step", o.sequences, 1, 4096, "1 to 4096"));
  KEDGE_TRY(in_range("prefill chunk", o.step_tokens, 1, 1 << 16, "1 to 65536"));
  KEDGE_TRY(in_range("step_ms", o.step_ms, -1e6, 1e6, "-1000000 (no limit) to 1000000"));
  KEDGE_TRY(in_range("waiting calls", o.waiting, 0, 1 << 20, "0 to 1048576"));
  return in_range("default_tokens", o.default_tokens, 1, 1 << 24, "1 to 16777216");
}

// Bytes of a sequence beside pages: its logits, and those of the copies it keeps.
size_t sequence_bytes(const ModelConfig& c) {
  const auto slides = [](const LayerShape& l) { return l.window > 0 || l.state_floats > 0; };
  const bool keeps = std::any_of(c.layers.begin(), c.layers.end(), slides);
  return static_cast<size_t>(c.n_vocab) * sizeof(float) * (keeps ? 1 + kKeptStates : 1);
}

template <size_t N>
Json histogram_json(const Histogram<N>& h) {
  return {{"le", h.bounds()}, {"counts", h.counts()}, {"sum", h.sum()}};
}

}  // namespace

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine::State>> Engine::State::make(std::shared_ptr<const Model> model, const EngineOptions& o) {
  KEDGE_TRY(check(o));
  if (!model->has_network()) {
    return Error{ErrorCode::kInvalidArgument, "the model was opened for its vocabulary only: no session can be made"};
  }
  auto s = std::make_unique<State>();
  KEDGE_ASSIGN(kernels, active_kernels());
  s->fast = o.numerics == Numerics::kFast;
  if (s->fast && fast_numerics(*kernels).empty()) {
    return Error{ErrorCode::kUnsupported,
                 std::string("numerics 'fast' needs the instruction set amx, avx512bf16 or avx512vnni; in use is ") +
                     kernels->name + ", on which it would not be faster than 'exact'"};
  }
  s->kernels = kernels;
  s->options = o;
  s->options.n_threads = o.n_threads == 0 ? default_threads() : o.n_threads;
  s->options.step_tokens = std::max(o.step_tokens, std::min(o.sequences, 1 << 16));
  constexpr int kUsualText = 2048;  // of an encoder, whose texts are one step each
  const ModelConfig& c = model->config();
  if (c.both_directions) s->options.step_tokens = std::max(s->options.step_tokens, std::min(c.n_ctx_train, kUsualText));
  KEDGE_ASSIGN(team, ThreadTeam::make(s->options.n_threads, {.n_cpus = default_threads()}));
  s->team = std::move(team);
  s->model = std::move(model);
  const StepShape shape{s->model->network().floats_per_row(), s->options.step_tokens, s->options.n_threads, s->fast};
  KEDGE_ASSIGN(buffers, StepBuffers::make(s->model->config(), shape));
  s->buffers = std::move(buffers);
  s->buffer_bytes = s->buffers.bytes();
  s->scheduler = Scheduler({o.sequences, s->options.step_tokens, o.step_ms});
  return s;
}

Result<std::shared_ptr<Engine>> Engine::alone(std::shared_ptr<const Model> model, const SessionOptions& options,
                                              int budget) {
  EngineOptions o;
  o.n_threads = options.n_threads;
  o.sequences = 1;
  o.step_tokens = std::min(options.chunk, std::max(budget, 1));
  o.step_ms = -1;
  o.kv_type = options.kv_type;
  o.numerics = options.numerics;
  KEDGE_ASSIGN(state, State::make(std::move(model), o));
  state->alone = true;
  return std::shared_ptr<Engine>(new Engine(std::move(state)));
}

Result<std::shared_ptr<Engine>> Engine::with_pages(std::shared_ptr<const Model> model, const EngineOptions& options,
                                                   size_t n_pages) {
  KEDGE_ASSIGN(state, State::make(std::move(model), options));
  KEDGE_ASSIGN(shape, kv_shape(state->model->config(), options.kv_type, 1, state->options.step_tokens));
  KEDGE_ASSIGN(arena, KvArena::create(shape, n_pages));
  KEDGE_TRY(check_memory(arena->pages_total() * arena->page_bytes(), "the KV pages of an engine take",
                         "; less memory for the engine, smaller contexts, KV budgets or another cache type need less"));
  state->arena = std::move(arena);
  state->arena->set_reclaim([s = state.get()] { return s->reclaim(); });
  return std::shared_ptr<Engine>(new Engine(std::move(state)));
}

Result<std::shared_ptr<Engine>> Engine::create(std::shared_ptr<const Model> model, const EngineOptions& options) {
  KEDGE_TRY(check(options));
  const ModelConfig& c = model->config();
  KEDGE_ASSIGN(shape, kv_shape(c, options.kv_type, 1, std::max(options.step_tokens, options.sequences)));
  const size_t page = shape.page_bytes();
  const auto n_sequences = static_cast<size_t>(options.sequences);
  const size_t of_context = shape.pages_for(c.n_ctx_train) + static_cast<size_t>(shape.kept) * shape.copy_pages();
  size_t pages = of_context * n_sequences;
  if (options.memory == 0) {
    pages = std::min(pages, std::max(of_context, static_cast<size_t>(system_info().memory_available / 2) / page));
  } else {
    // Buffers are made twice over: once to know what they take.
    KEDGE_ASSIGN(trial, State::make(model, options));
    const size_t fixed = trial->buffer_bytes + n_sequences * sequence_bytes(c);
    const size_t least = shape.pages_for(1);
    if (options.memory < fixed + least * page) {
      return Error{ErrorCode::kCapacity, "an engine of " + std::to_string(options.memory) + " bytes: buffers and " +
                                             std::to_string(options.sequences) + " sequences alone take " +
                                             std::to_string(fixed) + ", a page of every layer and head " +
                                             std::to_string(least * page)};
    }
    pages = (options.memory - fixed) / page;
  }
  return with_pages(std::move(model), options, pages);
}

Result<std::unique_ptr<Session>> Engine::adopt(const SessionOptions& options, std::unique_ptr<KvMemory> memory) {
  const bool watch = memory->bounded() && (memory->policy().observe.rows > 0 || memory->options().recall_threshold > 0);
  const int n_slots = memory->budget();
  SessionOptions o = options;
  o.kv = memory->options();
  KEDGE_ASSIGN(adapters, checked_adapters(options.adapters, *model()));
  o.adapters = std::move(adapters);
  Status fits = exclusively([&](const ThreadTeam&) {
    Status done = state_->buffers.fit(model()->config(), n_slots, watch);
    if (done.ok()) done = state_->buffers.fit(model()->config(), o.adapters);
    state_->buffer_bytes = state_->buffers.bytes();
    return done;
  });
  KEDGE_TRY(std::move(fits));
  return std::unique_ptr<Session>(
      new Session(std::make_unique<Session::State>(shared_from_this(), std::move(o), std::move(memory))));
}

Result<std::unique_ptr<Session>> Engine::session(const SessionOptions& given) {
  KEDGE_ASSIGN(options, session_options(given));
  KEDGE_ASSIGN(shape, kv_shape(model()->config(), options.kv_type, options.n_ctx, options.chunk));
  KEDGE_ASSIGN(memory, KvMemory::create(shape, options.kv, kernels(), arena()));
  return adopt(options, std::move(memory));
}

Result<SessionOptions> Engine::session_options(const SessionOptions& given) const {
  const EngineOptions& o = options();
  const SessionOptions defaults;
  const auto own = [](const char* name) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string(name) + " belongs to the engine: a session in it leaves it at its default"};
  };
  if (given.n_threads != defaults.n_threads && given.n_threads != o.n_threads) return own("n_threads");
  if (given.chunk != defaults.chunk && given.chunk != o.step_tokens) return own("chunk");
  if (given.kv_type != defaults.kv_type && given.kv_type != o.kv_type) return own("kv_type");
  if (given.numerics != defaults.numerics && given.numerics != o.numerics) return own("numerics");
  SessionOptions options = given;
  options.n_threads = o.n_threads;
  options.chunk = o.step_tokens;
  options.kv_type = o.kv_type;
  options.numerics = o.numerics;
  KEDGE_TRY(check_context(given.n_ctx));
  if (options.n_ctx == 0) options.n_ctx = model()->config().n_ctx_train;
  return options;
}

const std::shared_ptr<const Model>& Engine::model() const { return state_->model; }
const EngineOptions& Engine::options() const { return state_->options; }
bool Engine::is_shared() const { return !state_->alone; }
const KernelTable& Engine::kernels() const { return *state_->kernels; }
const std::shared_ptr<KvArena>& Engine::arena() const { return state_->arena; }
const ThreadTeam& Engine::team() const { return state_->team; }
size_t Engine::buffer_bytes() const { return state_->buffer_bytes; }

bool Engine::leads_here() const {
  const std::lock_guard lock(state_->mutex);
  return state_->leading && state_->leader == std::this_thread::get_id();
}

void Engine::watch_activations(ActivationStats* stats) { state_->activations = stats; }

Status Engine::swap_in(Session::State& sequence) { return state_->swap_in(sequence); }
Status Engine::close(Session::State& sequence) { return state_->close(sequence); }

void Engine::add(Session::State& sequence) {
  const std::lock_guard lock(state_->mutex);
  state_->sequences.push_back(&sequence);
}

void Engine::remove(Session::State& sequence) {
  const std::lock_guard lock(state_->mutex);
  std::erase(state_->sequences, &sequence);
  if (sequence.expected) --state_->n_expected;
  state_->arrived.notify_one();
}

void Engine::pages_freed() {
  const std::lock_guard lock(state_->mutex);
  state_->freed.notify_all();
}

void Engine::add_reclaimer(std::weak_ptr<const void> owner, std::function<bool()> reclaim) {
  const std::lock_guard lock(state_->mutex);
  std::erase_if(state_->reclaimers, [](const State::Reclaimer& r) { return r.owner.expired(); });
  state_->reclaimers.push_back({std::move(owner), std::move(reclaim)});
}

// A step under way, or work on memories between two; null: neither.
Json Engine::State::busy() const {
  const std::lock_guard lock(mutex);
  if (!leading) return {};
  int decoding = 0;
  int reading = 0;
  Json keys = Json::array();
  for (const Call* call : calls) {
    if (!in_step || call->phase != Call::Phase::kInStep) continue;
    ++(call->decodes() ? decoding : reading);
    keys.push_back(call->sequence->key);
  }
  return {{"step", in_step ? Json(stats.steps + 1) : Json()},
          {"ms", std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - busy_since).count()},
          {"decoding", decoding},
          {"reading", reading},
          {"keys", std::move(keys)}};
}

EngineStats Engine::stats() const {
  const State& s = *state_;
  const std::lock_guard lock(s.mutex);
  EngineStats all = s.stats;
  all.step_prompt_tokens = s.scheduler.prompt_budget(1);
  all.sequences = s.sequences.size();
  all.running = s.calls.size();
  all.waiting = s.waiters.size();
  for (const Session::State* sequence : s.sequences) all.swapped_out += sequence->swapped_out ? 1 : 0;
  all.memory_limit = s.options.memory;
  all.buffer_bytes = s.buffer_bytes;
  all.sequence_bytes = s.sequences.size() * sequence_bytes(s.model->config());
  if (s.arena == nullptr) return all;
  all.pages_in_use = s.arena->pages_in_use();
  all.pages_total = s.arena->pages_total();
  for (const Session::State* sequence : s.sequences) all.pages_reserved += sequence->reserved;
  all.page_bytes = s.arena->page_bytes();
  return all;
}

std::string Engine::stats_json() const {
  const EngineStats s = stats();
  const Json json = {
      {"steps", s.steps},
      {"busy", state_->busy()},
      {"rows", {{"decode", s.decode_rows}, {"prefill", s.prompt_rows}, {"wasted", s.wasted_rows}}},
      {"step_tokens", s.step_prompt_tokens},
      {"sequences", s.sequences},
      {"running", s.running},
      {"waiting", s.waiting},
      {"swapped_out", s.swapped_out},
      {"admitted", s.admitted},
      {"refused", s.refused},
      {"cancelled",
       {{"waiting", s.cancelled_waiting}, {"prefill", s.cancelled_prompt}, {"decode", s.cancelled_decode}}},
      {"expired", s.expired},
      {"paused", s.paused},
      {"resumed", s.resumed},
      {"pages",
       {{"in_use", s.pages_in_use},
        {"total", s.pages_total},
        {"reserved", s.pages_reserved},
        {"bytes_each", s.page_bytes}}},
      {"memory",
       {{"limit", s.memory_limit},
        {"pages", s.pages_total * s.page_bytes},
        {"buffers", s.buffer_bytes},
        {"sequences", s.sequence_bytes}}},
      {"histograms",
       {{"step_ms", histogram_json(s.step_ms)},
        {"queue_ms", histogram_json(s.queue_ms)},
        {"step_rows",
         {{"decode", histogram_json(s.step_decode_rows)}, {"prefill", histogram_json(s.step_prompt_rows)}}}}}};
  return json.dump();
}

}  // namespace kedge::engine
