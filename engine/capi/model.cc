// The C interface: models, text and tokens.
#include <algorithm>

#include "engine/c_handles.h"
#include "engine/capi/handles.h"
#include "engine/capi/model_description.h"

using namespace kedge::engine;
using namespace kedge::engine::capi;

namespace {

constexpr kedge_model_options kModelDefaults = {.struct_size = sizeof(kedge_model_options),
                                                .use_mmap = 1,
                                                .on_progress = nullptr,
                                                .user = nullptr,
                                                .vocab_only = 0,
                                                .weights_cache = {}};

Status check_flags(uint32_t flags, uint32_t known, const char* function) {
  if ((flags & ~known) == 0) return {};
  return invalid(std::string(function) + ": unknown flags " + std::to_string(flags & ~known));
}

uint32_t token_flags(const Tokenizer& t, int32_t id) {
  const auto bit = [](bool set, uint32_t flag) { return set ? flag : 0u; };
  return bit(t.is_control(id), KEDGE_TOKEN_CONTROL) | bit(t.is_eog(id), KEDGE_TOKEN_EOG) |
         bit(t.type(id) == TokenType::kByte, KEDGE_TOKEN_BYTE) |
         bit(t.type(id) == TokenType::kUserDefined, KEDGE_TOKEN_USER_DEFINED) |
         bit(t.type(id) == TokenType::kUnknown, KEDGE_TOKEN_UNKNOWN);
}

}  // namespace

kedge_model* kedge::engine::new_handle(std::shared_ptr<const Model> model) { return new kedge_model{std::move(model)}; }

extern "C" {

void kedge_model_options_init(kedge_model_options* options, size_t struct_size) {
  write_struct(options, struct_size, kModelDefaults);
}

kedge_status kedge_model_open(const char* path, size_t path_size, const kedge_model_options* options,
                              kedge_model** model) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(model, "model"));
    *model = nullptr;
    KEDGE_ASSIGN(name, in_text(path, path_size, "path"));
    if (name.empty()) return invalid("path is empty");
    if (name.find('\0') != std::string_view::npos) return invalid("path contains a NUL byte");
    kedge_model_options o = kModelDefaults;
    KEDGE_TRY(read_options(options, "kedge_model_options", o));
    ModelOptions load{.use_mmap = o.use_mmap != 0, .progress = {}, .vocab_only = o.vocab_only != 0};
    KEDGE_ASSIGN(folder, in_text(o.weights_cache.data, o.weights_cache.size, "weights_cache"));
    if (folder.find('\0') != std::string_view::npos) return invalid("weights_cache contains a NUL byte");
    load.weights_cache.folder = folder;
    if (o.on_progress != nullptr) {
      load.progress = [&](size_t done, size_t total) { return o.on_progress(o.user, done, total) == 0; };
    }
    KEDGE_ASSIGN(loaded, Model::load(std::string(name), load));
    *model = new_handle(std::move(loaded));
    return {};
  });
}

void kedge_model_close(kedge_model* model) { delete model; }

kedge_status kedge_model_get_info(const kedge_model* model, kedge_model_info* info) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(model, "model"));
    const Model& m = *model->model;
    kedge_model_info value{};
    value.n_vocab = m.config().n_vocab;
    value.n_ctx_train = m.config().n_ctx_train;
    value.n_layers = m.config().n_layers;
    value.d_model = m.config().d_model;
    value.bos_token = m.tokenizer().bos();
    value.eos_token = m.tokenizer().eos();
    value.add_bos = m.tokenizer().add_bos() ? 1 : 0;
    value.has_chat_template = m.chat_template() != nullptr ? 1 : 0;
    value.n_parameters = count_parameters(m);
    value.weight_bytes = m.store().tensor_bytes();
    value.bytes_per_token = m.bytes_per_token();
    return give_struct(info, "kedge_model_info", value);
  });
}

kedge_status kedge_model_describe(const kedge_model* model, const kedge_session_options* plan, char** json,
                                  size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(options, session_options(*model->model, plan));
    KEDGE_ASSIGN(text, describe_model(model->model, options));
    return give_text(text, json, json_size);
  });
}

kedge_status kedge_model_write_weights_cache(const kedge_model* model, kedge_progress_fn progress, void* user) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(model, "model"));
    const std::shared_ptr<const Model> held = model->model;
    LoadProgress report;
    if (progress != nullptr) {
      report = [&](uint64_t done, uint64_t total) { return progress(user, done, total) == 0; };
    }
    return held->write_weights_cache(report);
  });
}

kedge_status kedge_tokenize(const kedge_model* model, const char* text, size_t text_size, uint32_t flags,
                            int32_t** tokens, size_t* n_tokens) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(tokens, n_tokens));
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(view, in_text(text, text_size, "text"));
    KEDGE_TRY(check_flags(flags, KEDGE_TOKENIZE_ADD_BOS | KEDGE_TOKENIZE_PARSE_SPECIAL | KEDGE_TOKENIZE_EXACT_BYTES,
                          "kedge_tokenize"));
    const EncodeOptions options{.add_special = (flags & KEDGE_TOKENIZE_ADD_BOS) != 0,
                                .parse_special = (flags & KEDGE_TOKENIZE_PARSE_SPECIAL) != 0,
                                .exact_bytes = (flags & KEDGE_TOKENIZE_EXACT_BYTES) != 0};
    KEDGE_ASSIGN(ids, model->model->tokenizer().encode(view, options));
    return give_ids(ids, tokens, n_tokens);
  });
}

kedge_status kedge_detokenize(const kedge_model* model, const int32_t* tokens, size_t n_tokens, uint32_t flags,
                              char** text, size_t* text_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(text, text_size));
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(ids, in_span(tokens, n_tokens, "tokens"));
    KEDGE_TRY(check_flags(flags, KEDGE_DETOKENIZE_SPECIAL, "kedge_detokenize"));
    DecodeOptions options;
    options.skip_special = (flags & KEDGE_DETOKENIZE_SPECIAL) == 0;
    KEDGE_ASSIGN(decoded, model->model->tokenizer().decode(ids, options));
    return give_text(decoded, text, text_size);
  });
}

kedge_status kedge_token(const kedge_model* model, int32_t token, char** piece, size_t* piece_size, uint32_t* flags) {
  return guard([&]() -> Status {
    if (piece != nullptr) KEDGE_TRY(clear_outputs(piece, piece_size));
    if (flags != nullptr) *flags = 0;
    KEDGE_TRY(not_null(model, "model"));
    const Tokenizer& t = model->model->tokenizer();
    if (!t.contains(token)) {
      return invalid("token " + std::to_string(token) + " is outside the vocabulary of " + std::to_string(t.size()));
    }
    if (flags != nullptr) *flags = token_flags(t, token);
    return piece == nullptr ? Status() : give_text(t.piece(token), piece, piece_size);
  });
}

}  // extern "C"
