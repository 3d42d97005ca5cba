// Models: what is in a file, texts and tokens, chats; and what changes a model as it runs. Part of kedge.hpp.
#pragma once

#include <span>

#include "kedge/kedge_result.hpp"

namespace kedge {

struct ModelOptions {
  bool use_mmap = true;
  Progress on_progress = {};
  bool vocab_only = false;  // tokenizer and chat template only; no sessions
  std::string weights_cache = {};  // folder for packed weights; empty: none
};

struct ImatrixOptions {
  int chunk = 512;  // tokens evaluated together
  int chunks = -1;  // at most; -1: all
  int n_threads = 0;
  bool output = false;       // of the output matrix too
  std::string dataset = {};  // name of the text, for the file
  Progress on_progress = {};
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
  std::string kv = {};                           // JSON, see "Memory" in kedge.h
  std::vector<kedge_adapter_use> adapters = {};  // Adapter::use()

  kedge_session_options c() const {  // borrows kv and adapters
    kedge_session_options o;
    kedge_session_options_init(&o, sizeof o);
    o.n_ctx = n_ctx;
    o.n_threads = n_threads;
    o.chunk = chunk;
    o.kv_type = kv_type;
    o.numerics = numerics;
    o.kv = detail::str(kv);
    o.adapters = adapters.data();
    o.n_adapters = adapters.size();
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
    o.weights_cache = detail::str(options.weights_cache);
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

  // See kedge_model_write_weights_cache.
  Status write_weights_cache(const Progress& progress = {}) const {
    const auto report = [](void* user, size_t done, size_t total) {
      return (*static_cast<Progress*>(user))(done, total) ? 0 : 1;
    };
    void* const user = const_cast<Progress*>(&progress);
    return detail::status(kedge_model_write_weights_cache(get(), progress ? +report : nullptr, user));
  }

  kedge_model_info info() const {
    kedge_model_info i{};
    i.struct_size = sizeof i;
    (void)kedge_model_get_info(get(), &i);  // cannot fail with a live handle
    return i;
  }
  // An importance matrix of a text, to a file; JSON, see kedge_imatrix_write.
  Result<std::string> write_imatrix(std::span<const int32_t> tokens, const ImatrixOptions& options,
                                    std::string_view path) const {
    kedge_imatrix_options o;
    kedge_imatrix_options_init(&o, sizeof o);
    o.chunk = options.chunk;
    o.chunks = options.chunks;
    o.n_threads = options.n_threads;
    o.output = options.output ? 1 : 0;
    o.dataset = detail::str(options.dataset);
    o.user = const_cast<Progress*>(&options.on_progress);
    if (options.on_progress) {
      o.on_progress = [](void* user, size_t done, size_t total) {
        return (*static_cast<Progress*>(user))(done, total) ? 0 : 1;
      };
    }
    return detail::text([&](char** d, size_t* n) {
      return kedge_imatrix_write(get(), tokens.data(), tokens.size(), &o, path.data(), path.size(), d, n);
    });
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
  // JSON: how its template writes calls and reasoning; see kedge_chat_format.
  Result<std::string> chat_format() const {
    return detail::text([&](char** d, size_t* n) { return kedge_chat_format(get(), d, n); });
  }
  // Compiles a constraint, JSON; see "Constraints" in kedge_generation.h.
  Result<std::string> check_constraint(std::string_view constraint) const {
    return detail::text(
        [&](char** d, size_t* n) { return kedge_constraint_check(get(), constraint.data(), constraint.size(), d, n); });
  }
  const kedge_model* get() const { return m_.get(); }
  friend class Router;

 private:
  struct Close {
    void operator()(kedge_model* m) const { kedge_model_close(m); }
  };
  explicit Model(kedge_model* m) : m_(m) {}
  std::unique_ptr<kedge_model, Close> m_;
};

// What is added to a model's weights while it runs; see "Adapters" in kedge_generation.h.
class Adapter {
 public:
  static Result<Adapter> open(const Model& model, std::string_view path) {
    kedge_adapter* a = nullptr;
    const kedge_status code = kedge_adapter_open(model.get(), path.data(), path.size(), &a);
    if (code != KEDGE_OK) return detail::error(code);
    return Adapter(a);
  }
  Result<std::string> describe() const {  // JSON
    return detail::text([&](char** d, size_t* n) { return kedge_adapter_describe(get(), d, n); });
  }
  // For SessionOptions; the adapter must live until the session is made.
  kedge_adapter_use use(float scale = 1) const { return {get(), scale}; }
  const kedge_adapter* get() const { return a_.get(); }

 private:
  struct Close {
    void operator()(kedge_adapter* a) const { kedge_adapter_close(a); }
  };
  explicit Adapter(kedge_adapter* a) : a_(a) {}
  std::unique_ptr<kedge_adapter, Close> a_;
};

}  // namespace kedge
