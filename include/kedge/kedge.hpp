// Kedge's C++20 interface: owners and Results over kedge.h, header-only, no exceptions of its own. Threading and units
// are those of kedge.h; the handles are move-only and close themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kedge/kedge.h"

namespace kedge {

struct Error {
  kedge_status code = KEDGE_INTERNAL;
  std::string message;
};

// A value or an error; test before using.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : v_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& operator*() & { return *std::get_if<0>(&v_); }
  const T& operator*() const& { return *std::get_if<0>(&v_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&v_)); }
  T* operator->() { return std::get_if<0>(&v_); }
  const T* operator->() const { return std::get_if<0>(&v_); }
  const Error& error() const { return *std::get_if<1>(&v_); }

 private:
  std::variant<T, Error> v_;
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : e_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return !e_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return *e_; }

 private:
  std::optional<Error> e_;
};

// Called with done and total; false cancels.
using Progress = std::function<bool(size_t done, size_t total)>;

namespace detail {

inline Error error(kedge_status code) { return {code, kedge_last_error()}; }
inline Status status(kedge_status code) { return code == KEDGE_OK ? Status() : Status(error(code)); }

struct Free {
  void operator()(void* p) const { kedge_free(p); }
};

// Calls f(&data, &size) of the C interface and copies what it owns.
template <class F>
Result<std::string> text(F&& f) {
  char* data = nullptr;
  size_t size = 0;
  const kedge_status code = f(&data, &size);
  const std::unique_ptr<char, Free> owner(data);
  if (code != KEDGE_OK) return error(code);
  return std::string(data, size);
}
template <class F>
Result<std::vector<int32_t>> ids(F&& f) {
  int32_t* data = nullptr;
  size_t size = 0;
  const kedge_status code = f(&data, &size);
  const std::unique_ptr<int32_t, Free> owner(data);
  if (code != KEDGE_OK) return error(code);
  return std::vector<int32_t>(data, data + size);
}
inline kedge_str str(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view view(kedge_str s) { return {s.data, s.size}; }

}  // namespace detail

inline std::string version() { return kedge_version(); }
inline int default_threads() { return kedge_default_threads(); }
inline Result<std::string> system_info() { return detail::text(kedge_system_info); }  // JSON
inline Result<std::string> detect_references(std::string_view text) {                 // JSON
  return detail::text([&](char** d, size_t* n) { return kedge_detect_references(text.data(), text.size(), d, n); });
}
inline Result<std::string> settings_schema() { return detail::text(kedge_settings_schema); }  // JSON

struct ModelOptions {
  bool use_mmap = true;
  Progress on_progress = {};
  bool vocab_only = false;  // tokenizer and chat template only; no sessions
};

struct MarkedTokens {
  std::vector<int32_t> tokens;
  std::string segments;  // JSON for Session::add_segments
};

struct SessionOptions {
  int n_ctx = 0;      // 0 = the context the model was trained with
  int n_threads = 0;  // 0 = default_threads()
  int chunk = 512;
  kedge_kv_type kv_type = KEDGE_KV_F16;
  kedge_numerics numerics = KEDGE_NUMERICS_EXACT;
  std::string kv = {};  // JSON, see "Memory" in kedge.h

  kedge_session_options c() const {  // borrows kv
    kedge_session_options o;
    kedge_session_options_init(&o, sizeof o);
    o.n_ctx = n_ctx;
    o.n_threads = n_threads;
    o.chunk = chunk;
    o.kv_type = kv_type;
    o.numerics = numerics;
    o.kv = detail::str(kv);
    return o;
  }
};

struct Token {
  std::string piece;   // its bytes
  uint32_t flags = 0;  // KEDGE_TOKEN_*
  bool is_eog() const { return (flags & KEDGE_TOKEN_EOG) != 0; }
  bool is_control() const { return (flags & KEDGE_TOKEN_CONTROL) != 0; }
};

class Model {
 public:
  static Result<Model> open(std::string_view path, const ModelOptions& options = {}) {
    kedge_model_options o;
    kedge_model_options_init(&o, sizeof o);
    o.use_mmap = options.use_mmap ? 1 : 0;
    o.vocab_only = options.vocab_only ? 1 : 0;
    if (options.on_progress) {
      o.user = const_cast<Progress*>(&options.on_progress);
      o.on_progress = [](void* user, size_t done, size_t total) {
        return (*static_cast<Progress*>(user))(done, total) ? 0 : 1;
      };
    }
    kedge_model* m = nullptr;
    const kedge_status code = kedge_model_open(path.data(), path.size(), &o, &m);
    if (code != KEDGE_OK) return detail::error(code);
    return Model(m);
  }

  kedge_model_info info() const {
    kedge_model_info i{};
    i.struct_size = sizeof i;
    (void)kedge_model_get_info(get(), &i);  // cannot fail with a live handle
    return i;
  }
  Result<std::string> describe(const SessionOptions& plan = {}) const {  // JSON
    const kedge_session_options o = plan.c();
    return detail::text([&](char** d, size_t* n) { return kedge_model_describe(get(), &o, d, n); });
  }
  Result<std::vector<int32_t>> tokenize(std::string_view text, bool add_bos, bool parse_special,
                                        bool exact_bytes = false) const {
    uint32_t flags = exact_bytes ? KEDGE_TOKENIZE_EXACT_BYTES : 0;
    if (add_bos) flags |= KEDGE_TOKENIZE_ADD_BOS;
    if (parse_special) flags |= KEDGE_TOKENIZE_PARSE_SPECIAL;
    return detail::ids(
        [&](int32_t** d, size_t* n) { return kedge_tokenize(get(), text.data(), text.size(), flags, d, n); });
  }
  Result<std::string> detokenize(std::span<const int32_t> tokens, bool special = false) const {
    const auto flags = static_cast<uint32_t>(special ? KEDGE_DETOKENIZE_SPECIAL : 0);
    return detail::text(
        [&](char** d, size_t* n) { return kedge_detokenize(get(), tokens.data(), tokens.size(), flags, d, n); });
  }
  Result<Token> token(int32_t id) const {
    Token t;
    auto piece = detail::text([&](char** d, size_t* n) { return kedge_token(get(), id, d, n, &t.flags); });
    if (!piece) return piece.error();
    t.piece = *std::move(piece);
    return t;
  }
  // `messages` and `options` are JSON, see kedge_chat_render.
  Result<std::string> chat_render(std::string_view messages, std::string_view options = {}) const {
    return detail::text([&](char** d, size_t* n) {
      return kedge_chat_render(get(), messages.data(), messages.size(), options.data(), options.size(), d, n);
    });
  }
  Result<std::vector<int32_t>> chat_tokenize(std::string_view messages, std::string_view options = {}) const {
    return detail::ids([&](int32_t** d, size_t* n) {
      return kedge_chat_tokenize(get(), messages.data(), messages.size(), options.data(), options.size(), d, n);
    });
  }
  Result<MarkedTokens> chat_tokenize_marked(std::string_view messages, std::string_view options = {}) const {
    MarkedTokens marked;
    auto tokens = detail::ids([&](int32_t** ids, size_t* n_ids) {
      auto segments = detail::text([&](char** d, size_t* n) {
        return kedge_chat_tokenize_marked(get(), messages.data(), messages.size(), options.data(), options.size(), ids,
                                          n_ids, d, n);
      });
      if (!segments) return segments.error().code;
      marked.segments = *std::move(segments);
      return KEDGE_OK;
    });
    if (!tokens) return tokens.error();
    marked.tokens = *std::move(tokens);
    return marked;
  }
  const kedge_model* get() const { return m_.get(); }

 private:
  struct Close {
    void operator()(kedge_model* m) const { kedge_model_close(m); }
  };
  explicit Model(kedge_model* m) : m_(m) {}
  std::unique_ptr<kedge_model, Close> m_;
};

struct GenerateOptions {
  int max_tokens = -1;  // -1: until the model stops or the context is full
  int logprobs = -1;    // -1: none; 0: of the chosen tokens; n: also of the n most likely
  bool ignore_eos = false;
  bool render_special = false;
  uint64_t seed = 0;
  uint64_t request = 0;
  std::vector<std::pair<std::string, double>> settings = {};  // names from settings_schema(), e.g. {"temperature", 0.0}
  std::vector<std::string> stop = {};
  std::vector<kedge_logit_bias> logit_bias = {};
  std::function<bool(std::string_view)> on_text = {};  // false cancels, here and below
  std::function<bool(int32_t token, std::span<const kedge_logprob> top)> on_token = {};
  Progress on_prefill = {};
  std::string key = {};    // whose call it is, for an engine's fairness
  double deadline_ms = 0;  // from the beginning of the call; 0: none
};

// What kedge_generation_result says; spans and strings live as long as the Generation.
class Generation {
 public:
  explicit Generation(kedge_generation* g) : g_(g) {
    r_.struct_size = sizeof r_;
    (void)kedge_generation_get(g, &r_);  // cannot fail with a live handle
  }
  std::string_view text() const { return detail::view(r_.text); }
  std::span<const int32_t> tokens() const { return {r_.tokens, r_.n_tokens}; }
  kedge_finish_reason finish_reason() const { return static_cast<kedge_finish_reason>(r_.finish_reason); }
  // Of the i-th token: the chosen one, then the most likely; empty when not asked for.
  std::span<const kedge_logprob> logprobs(size_t i) const {
    return r_.logprobs_per_token == 0 ? std::span<const kedge_logprob>()
                                      : std::span(r_.logprobs + i * r_.logprobs_per_token, r_.logprobs_per_token);
  }
  std::string_view settings() const { return detail::view(r_.settings); }  // JSON
  std::string_view kv() const { return detail::view(r_.kv); }              // JSON
  const kedge_generation_result& result() const { return r_; }

 private:
  struct Release {
    void operator()(kedge_generation* g) const { kedge_generation_free(g); }
  };
  std::unique_ptr<kedge_generation, Release> g_;
  kedge_generation_result r_{};
};

class Session {
 public:
  // Called for every token in order; false cancels.
  using Row = std::function<bool(int position, std::span<const float> logits)>;

  static Result<Session> create(const Model& model, const SessionOptions& options = {}) {
    const kedge_session_options o = options.c();
    kedge_session* s = nullptr;
    const kedge_status code = kedge_session_create(model.get(), &o, &s);
    if (code != KEDGE_OK) return detail::error(code);
    return Session(s);
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
    kedge_session* s = nullptr;
    const kedge_status code = kedge_session_fork(get(), &s);
    if (code != KEDGE_OK) return detail::error(code);
    return Session(s);
  }
  Status save(std::string_view path) const {
    return detail::status(kedge_session_save(get(), path.data(), path.size()));
  }
  static Result<Session> load(const Model& model, std::string_view path, const SessionOptions& options = {}) {
    const kedge_session_options o = options.c();
    kedge_session* s = nullptr;
    const kedge_status code = kedge_session_load(model.get(), path.data(), path.size(), &o, &s);
    if (code != KEDGE_OK) return detail::error(code);
    return Session(s);
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
  kedge_session* get() const { return s_.get(); }
  friend class PrefixCache;
  friend class Engine;

 private:
  struct Release {
    void operator()(kedge_session* s) const { kedge_session_free(s); }
  };
  explicit Session(kedge_session* s) : s_(s) {}

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
    kedge_session* s = nullptr;
    const kedge_status code = kedge_engine_session(get(), &o, &s);
    if (code != KEDGE_OK) return detail::error(code);
    return Session(s);
  }
  Result<std::string> stats() const {  // JSON
    return detail::text([&](char** d, size_t* n) { return kedge_engine_stats(get(), d, n); });
  }
  kedge_engine* get() const { return e_.get(); }

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
