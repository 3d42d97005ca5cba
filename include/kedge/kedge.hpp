// Kedge's C++20 interface: owners and Results over kedge.h, header-only, no exceptions of its own. Threading and units
// are those of kedge.h; the handles are move-only and close themselves.
#pragma once

#include "kedge/kedge_generation.hpp"

namespace kedge {

inline std::string version() { return kedge_version(); }
inline int default_threads() { return kedge_default_threads(); }
inline Result<std::string> system_info() { return detail::text(kedge_system_info); }  // JSON
inline Result<std::string> detect_references(std::string_view text) {                 // JSON
  return detail::text([&](char** d, size_t* n) { return kedge_detect_references(text.data(), text.size(), d, n); });
}
inline Result<std::string> settings_schema() { return detail::text(kedge_settings_schema); }  // JSON

// Ends the calls it was given to; see kedge_cancel_create.
class Cancel {
 public:
  static Result<Cancel> create() {
    kedge_cancel* c = nullptr;
    const kedge_status code = kedge_cancel_create(&c);
    if (code != KEDGE_OK) return detail::error(code);
    return Cancel(c);
  }
  void set(bool on = true) { kedge_cancel_set(get(), on ? 1 : 0); }
  kedge_cancel* get() const { return c_.get(); }

 private:
  struct Release {
    void operator()(kedge_cancel* c) const { kedge_cancel_free(c); }
  };
  explicit Cancel(kedge_cancel* c) : c_(c) {}
  std::unique_ptr<kedge_cancel, Release> c_;
};

class Session {
 public:
  // Called for every token in order; false cancels.
  using Row = std::function<bool(int position, std::span<const float> logits)>;
  static Result<Session> create(const Model& model, const SessionOptions& options = {}) {
    const kedge_session_options o = options.c();
    return Session::made([&](kedge_session** s) { return kedge_session_create(model.get(), &o, s); });
  }

  kedge_session_info info() const {
    kedge_session_info i{};
    i.struct_size = sizeof i;
    (void)kedge_session_get_info(get(), &i);  // cannot fail with a live handle
    return i;
  }
  std::span<const int32_t> tokens() const {
    const int32_t* data = nullptr;
    size_t n = 0;
    (void)kedge_session_tokens(get(), &data, &n);
    return {data, n};
  }
  std::span<const float> logits() const {
    const float* data = nullptr;
    size_t n = 0;
    (void)kedge_session_logits(get(), &data, &n);
    return {data, n};
  }
  Status eval(std::span<const int32_t> tokens, const Progress& on_progress = {}) {
    return eval_all(tokens, {}, on_progress);
  }
  Status eval_all(std::span<const int32_t> tokens, const Row& on_row, const Progress& on_progress = {}) {
    struct Hooks {
      const Row* row;
      const Progress* progress;
    } hooks{&on_row, &on_progress};
    kedge_eval_options o;
    kedge_eval_options_init(&o, sizeof o);
    o.user = &hooks;
    if (on_row) {
      o.on_row = [](void* user, int32_t position, const float* logits, size_t n) {
        return (*static_cast<Hooks*>(user)->row)(position, {logits, n}) ? 0 : 1;
      };
    }
    if (on_progress) {
      o.on_progress = [](void* user, size_t done, size_t total) {
        return (*static_cast<Hooks*>(user)->progress)(done, total) ? 0 : 1;
      };
    }
    return detail::status(kedge_session_eval(get(), tokens.data(), tokens.size(), &o));
  }
  // JSON: what the routers of a mixture-of-experts model did in this session (kedge_session_experts).
  Result<std::string> experts() const {
    return detail::text([&](char** d, size_t* n) { return kedge_session_experts(get(), d, n); });
  }
  // JSON in, JSON out; see "Memory" in kedge.h.
  Result<std::string> add_segments(std::string_view segments) {
    return detail::text(
        [&](char** d, size_t* n) { return kedge_session_add_segments(get(), segments.data(), segments.size(), d, n); });
  }
  Result<std::string> kv() const {
    return detail::text([&](char** d, size_t* n) { return kedge_session_kv(get(), d, n); });
  }
  Result<std::string> kv_log(uint64_t from = 0) const {
    return detail::text([&](char** d, size_t* n) { return kedge_session_kv_log(get(), from, d, n); });
  }
  Result<std::string> recall(std::string_view what) {
    return detail::text(
        [&](char** d, size_t* n) { return kedge_session_recall(get(), what.data(), what.size(), d, n); });
  }
  Result<Session> fork() const {
    return Session::made([&](kedge_session** s) { return kedge_session_fork(get(), s); });
  }
  Status save(std::string_view path) const {
    return detail::status(kedge_session_save(get(), path.data(), path.size()));
  }
  static Result<Session> load(const Model& model, std::string_view path, const SessionOptions& options = {}) {
    const kedge_session_options o = options.c();
    return Session::made(
        [&](kedge_session** s) { return kedge_session_load(model.get(), path.data(), path.size(), &o, s); });
  }
  // A point to come back to; see kedge_session_checkpoint.
  class Checkpoint {
   public:
    explicit Checkpoint(kedge_checkpoint* c) : c_(c) {}
    const kedge_checkpoint* get() const { return c_.get(); }

   private:
    struct Release {
      void operator()(kedge_checkpoint* c) const { kedge_checkpoint_free(c); }
    };
    std::unique_ptr<kedge_checkpoint, Release> c_;
  };
  Result<Checkpoint> checkpoint() const {
    kedge_checkpoint* c = nullptr;
    const kedge_status code = kedge_session_checkpoint(get(), &c);
    if (code != KEDGE_OK) return detail::error(code);
    return Checkpoint(c);
  }
  Status rollback(const Checkpoint& to) { return detail::status(kedge_session_rollback(get(), to.get())); }
  Status truncate(int n) { return detail::status(kedge_session_truncate(get(), n)); }
  void set_cancel(bool on) { kedge_session_set_cancel(get(), on ? 1 : 0); }

  Result<Generation> generate(std::span<const int32_t> prompt, const GenerateOptions& options = {}) {
    std::vector<kedge_setting> settings;
    for (const auto& [name, value] : options.settings) settings.push_back({detail::str(name), value});
    std::vector<kedge_str> stop;
    for (const std::string& s : options.stop) stop.push_back(detail::str(s));
    kedge_generate_options o = c_options(options);
    o.settings = settings.data();
    o.n_settings = settings.size();
    o.stop = stop.data();
    o.n_stop = stop.size();
    kedge_generation* g = nullptr;
    const kedge_status code = kedge_generate(get(), prompt.data(), prompt.size(), &o, &g);
    if (code != KEDGE_OK) return detail::error(code);
    return Generation(g);
  }
  // JSON, see kedge_beam_search.
  Result<std::string> beam_search(std::span<const int32_t> prompt, const BeamOptions& options = {}) {
    kedge_beam_options o;
    kedge_beam_options_init(&o, sizeof o);
    o.beams = options.beams;
    o.n_best = options.n_best;
    o.max_tokens = options.max_tokens;
    o.stop = options.stop;
    o.render_special = options.render_special ? 1 : 0;
    o.length_penalty = options.length_penalty;
    o.constraint = detail::str(options.constraint);
    o.deadline_ms = options.deadline_ms;
    o.user = const_cast<BeamOptions*>(&options);
    if (options.on_prefill) {
      o.on_prefill = [](void* user, size_t done, size_t total) {
        return static_cast<BeamOptions*>(user)->on_prefill(done, total) ? 0 : 1;
      };
    }
    return detail::text([&](char** data, size_t* size) {
      return kedge_beam_search(get(), prompt.data(), prompt.size(), &o, data, size);
    });
  }
  kedge_session* get() const { return s_.get(); }
  friend class PrefixCache;
  friend class Engine;

 private:
  struct Release {
    void operator()(kedge_session* s) const { kedge_session_free(s); }
  };
  explicit Session(kedge_session* s) : s_(s) {}
  template <class F>
  static Result<Session> made(F&& make) {
    kedge_session* s = nullptr;
    if (const kedge_status code = make(&s); code != KEDGE_OK) return detail::error(code);
    return Session(s);
  }
  static kedge_generate_options c_options(const GenerateOptions& options) {
    kedge_generate_options o;
    kedge_generate_options_init(&o, sizeof o);
    o.max_tokens = options.max_tokens;
    o.logprobs = options.logprobs;
    o.ignore_eos = options.ignore_eos ? 1 : 0;
    o.render_special = options.render_special ? 1 : 0;
    o.seed = options.seed;
    o.request = options.request;
    o.key = detail::str(options.key);
    o.deadline_ms = options.deadline_ms;
    o.weight = options.weight;
    o.constraint = detail::str(options.constraint);
    o.samplers = detail::str(options.samplers);
    o.speculation = detail::str(options.speculation);
    if (options.draft != nullptr) o.draft = options.draft->get();
    o.logit_bias = options.logit_bias.data();
    o.n_logit_bias = options.logit_bias.size();
    o.user = const_cast<GenerateOptions*>(&options);
    if (options.on_text) {
      o.on_text = [](void* user, const char* text, size_t size) {
        return static_cast<GenerateOptions*>(user)->on_text({text, size}) ? 0 : 1;
      };
    }
    if (options.on_token) {
      o.on_token = [](void* user, int32_t token, const kedge_logprob* top, size_t n) {
        return static_cast<GenerateOptions*>(user)->on_token(token, {top, n}) ? 0 : 1;
      };
    }
    if (options.on_prefill) {
      o.on_prefill = [](void* user, size_t done, size_t total) {
        return static_cast<GenerateOptions*>(user)->on_prefill(done, total) ? 0 : 1;
      };
    }
    return o;
  }
  std::unique_ptr<kedge_session, Release> s_;
};

struct EngineOptions {
  int n_threads = 0;    // 0 = default_threads()
  int sequences = 16;   // most in one step
  uint64_t memory = 0;  // bytes for KV pages and buffers; 0: `sequences` whole contexts, at most half of what is free
  int step_tokens = 512;
  double step_ms = 0;  // 0: the larger of 25 and twice a decoding step; negative: step_tokens alone decides
  int waiting = 256;
  int default_tokens = 512;
  kedge_kv_type kv_type = KEDGE_KV_F16;
  kedge_numerics numerics = KEDGE_NUMERICS_EXACT;
  std::string spill = {};  // directory; empty: TMPDIR, else /tmp
};

struct EmbedOptions {
  kedge_pooling pooling = KEDGE_POOLING_MODEL;
  bool normalise = true;
  std::string key = {};
  double deadline_ms = 0;  // 0: none
  const Cancel* cancel = nullptr;
};

// Many sequences of one model in common steps; see "Engines" in kedge.h. Sessions may be used from any threads, each
// from one at a time.
class Engine {
 public:
  static Result<Engine> create(const Model& model, const EngineOptions& options = {}) {
    kedge_engine_options o;
    kedge_engine_options_init(&o, sizeof o);
    o.n_threads = options.n_threads;
    o.sequences = options.sequences;
    o.memory = options.memory;
    o.step_tokens = options.step_tokens;
    o.step_ms = options.step_ms;
    o.waiting = options.waiting;
    o.default_tokens = options.default_tokens;
    o.kv_type = options.kv_type;
    o.numerics = options.numerics;
    o.spill = detail::str(options.spill);
    kedge_engine* e = nullptr;
    const kedge_status code = kedge_engine_create(model.get(), &o, &e);
    if (code != KEDGE_OK) return detail::error(code);
    return Engine(e);
  }
  // n_ctx and kv of the options count, the rest is the engine's.
  Result<Session> session(const SessionOptions& options = {}) {
    const kedge_session_options o = options.c();
    return Session::made([&](kedge_session** s) { return kedge_engine_session(get(), &o, s); });
  }
  // A session file as a sequence of the engine.
  Result<Session> load_session(std::string_view path) {
    return Session::made(
        [&](kedge_session** s) { return kedge_engine_session_load(get(), path.data(), path.size(), nullptr, s); });
  }
  // d_model floats, or so many for each token; see kedge_embed.
  Result<std::vector<float>> embed(std::span<const int32_t> tokens, const EmbedOptions& options = {}) {
    kedge_embed_options o;
    kedge_embed_options_init(&o, sizeof o);
    o.pooling = options.pooling;
    o.normalise = options.normalise ? 1 : 0;
    o.key = detail::str(options.key);
    o.deadline_ms = options.deadline_ms;
    if (options.cancel != nullptr) o.cancel = options.cancel->get();
    float* values = nullptr;
    size_t n = 0;
    const kedge_status code = kedge_embed(get(), tokens.data(), tokens.size(), &o, &values, &n);
    const std::unique_ptr<float, detail::Free> owner(values);
    if (code != KEDGE_OK) return detail::error(code);
    return std::vector<float>(values, values + n);
  }
  Result<std::string> stats() const {  // JSON
    return detail::text([&](char** d, size_t* n) { return kedge_engine_stats(get(), d, n); });
  }
  kedge_engine* get() const { return e_.get(); }
  friend class Router;

 private:
  struct Release {
    void operator()(kedge_engine* e) const { kedge_engine_free(e); }
  };
  explicit Engine(kedge_engine* e) : e_(e) {}
  std::unique_ptr<kedge_engine, Release> e_;
};

struct PrefixCacheOptions {
  int entries = 64;
  int sessions = 4;
};

class PrefixCache {
 public:
  static Result<PrefixCache> create(const Model& model, const SessionOptions& session_options = {},
                                    const PrefixCacheOptions& options = {}) {
    const kedge_session_options so = session_options.c();
    kedge_prefix_cache_options o;
    kedge_prefix_cache_options_init(&o, sizeof o);
    o.entries = options.entries;
    o.sessions = options.sessions;
    kedge_prefix_cache* c = nullptr;
    const kedge_status code = kedge_prefix_cache_create(model.get(), &so, &o, &c);
    if (code != KEDGE_OK) return detail::error(code);
    return PrefixCache(c);
  }
  // In the arena of an engine, for its sessions.
  static Result<PrefixCache> create(Engine& engine, const SessionOptions& session_options = {},
                                    const PrefixCacheOptions& options = {}) {
    const kedge_session_options so = session_options.c();
    kedge_prefix_cache_options o;
    kedge_prefix_cache_options_init(&o, sizeof o);
    o.entries = options.entries;
    kedge_prefix_cache* c = nullptr;
    const kedge_status code = kedge_prefix_cache_create_on(engine.get(), &so, &o, &c);
    if (code != KEDGE_OK) return detail::error(code);
    return PrefixCache(c);
  }

  struct Acquired {
    Session session;
    size_t n_reused = 0;  // tokens the session holds; evaluate the others
  };
  // `segments` is JSON of the whole request's, see Session::add_segments.
  Result<Acquired> acquire(std::span<const int32_t> tokens, std::string_view segments = {}) {
    kedge_session* s = nullptr;
    size_t n = 0;
    const kedge_status code =
        kedge_prefix_cache_acquire(get(), tokens.data(), tokens.size(), segments.data(), segments.size(), &s, &n);
    if (code != KEDGE_OK) return detail::error(code);
    return Acquired{Session(s), n};
  }
  // With these adapters in place of those of the session options.
  Result<Acquired> acquire(std::span<const kedge_adapter_use> adapters, std::span<const int32_t> tokens,
                           std::string_view segments = {}) {
    kedge_session* s = nullptr;
    size_t n = 0;
    const kedge_status code =
        kedge_prefix_cache_acquire_adapted(get(), adapters.data(), adapters.size(), tokens.data(), tokens.size(),
                                           segments.data(), segments.size(), &s, &n);
    if (code != KEDGE_OK) return detail::error(code);
    return Acquired{Session(s), n};
  }
  Status store(const Session& session) { return detail::status(kedge_prefix_cache_store(get(), session.get())); }
  Result<std::string> stats() const {  // JSON
    return detail::text([&](char** d, size_t* n) { return kedge_prefix_cache_stats(get(), d, n); });
  }
  kedge_prefix_cache* get() const { return c_.get(); }

 private:
  struct Release {
    void operator()(kedge_prefix_cache* c) const { kedge_prefix_cache_free(c); }
  };
  explicit PrefixCache(kedge_prefix_cache* c) : c_(c) {}
  std::unique_ptr<kedge_prefix_cache, Release> c_;
};

}  // namespace kedge
