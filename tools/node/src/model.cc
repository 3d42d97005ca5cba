// Models: opening, texts and tokens, chats, adapters.
#include "tools/node/src/functions.h"

namespace kedge::tools::node {
namespace {

class OpenJob : public Job {
 public:
  OpenJob(std::string path, ModelOptions options, bool progress)
      : path_(std::move(path)), options_(std::move(options)) {
    options_.on_progress = [this, progress](size_t done, size_t total) {
      if (!progress) return !stopped();
      return tell([done, total](napi_env env) {
        napi_value pair = nullptr;
        check(env, napi_create_array_with_length(env, 2, &pair));
        check(env, napi_set_element(env, pair, 0, to_js(env, static_cast<double>(done))));
        check(env, napi_set_element(env, pair, 1, to_js(env, static_cast<double>(total))));
        return pair;
      });
    };
  }
  Status run() override {
    auto model = Model::open(path_, options_);
    if (!model) return model.error();
    model_.emplace(*std::move(model));
    return {};
  }
  napi_value value(napi_env env) override { return to_handle(env, *std::move(model_)); }

 private:
  std::string path_;
  ModelOptions options_;
  std::optional<Model> model_;
};

napi_value model_open(const Arguments& a) {
  ModelOptions options;
  options.use_mmap = a[1].member("mmap").flag(true);
  options.vocab_only = a[1].member("vocabOnly").flag(false);
  return start(a.env(), std::make_shared<OpenJob>(a[0].text(), std::move(options), !a[2].missing()), a[2]);
}

napi_value model_info(const Arguments& a) {
  const napi_env env = a.env();
  const kedge_model_info info = a.handle<Model>(0, "model")->info();
  napi_value made = nullptr;
  check(env, napi_create_object(env, &made));
  set(env, made, "vocabulary", to_js(env, info.n_vocab));
  set(env, made, "contextTrained", to_js(env, info.n_ctx_train));
  set(env, made, "layers", to_js(env, info.n_layers));
  set(env, made, "width", to_js(env, info.d_model));
  set(env, made, "bosToken", to_js(env, info.bos_token));
  set(env, made, "eosToken", to_js(env, info.eos_token));
  set(env, made, "parameters", to_js(env, static_cast<double>(info.n_parameters)));
  set(env, made, "weightBytes", to_js(env, static_cast<double>(info.weight_bytes)));
  set(env, made, "bytesPerToken", to_js(env, static_cast<double>(info.bytes_per_token)));
  napi_value flag = nullptr;
  check(env, napi_get_boolean(env, info.has_chat_template != 0, &flag));
  set(env, made, "hasChatTemplate", flag);
  return made;
}

napi_value model_describe(const Arguments& a) {
  return to_js(a.env(), taken(a.handle<Model>(0, "model")->describe(session_options(a.env(), a[1]))));
}

napi_value model_tokenize(const Arguments& a) {
  const auto model = a.handle<Model>(0, "model");
  return to_js(a.env(), std::span<const int32_t>(taken(model->tokenize(a[1].text(), a[2].member("addBos").flag(true),
                                                                       a[2].member("parseSpecial").flag(false),
                                                                       a[2].member("exactBytes").flag(false)))));
}

napi_value model_detokenize(const Arguments& a) {
  return to_buffer(a.env(), taken(a.handle<Model>(0, "model")->detokenize(a[1].tokens(), a[2].flag(false))));
}

napi_value model_chat_text(const Arguments& a) {
  return to_js(a.env(), taken(a.handle<Model>(0, "model")->chat_render(a[1].text(), a[2].text())));
}

napi_value model_chat_tokens(const Arguments& a) {
  const auto tokens = taken(a.handle<Model>(0, "model")->chat_tokenize(a[1].text(), a[2].text()));
  return to_js(a.env(), std::span<const int32_t>(tokens));
}

napi_value model_chat_format(const Arguments& a) {
  return to_js(a.env(), taken(a.handle<Model>(0, "model")->chat_format()));
}

napi_value model_check_constraint(const Arguments& a) {
  return start_task<std::string>(
      a.env(), [model = a.handle<Model>(0, "model"), text = a[1].text()] { return model->check_constraint(text); },
      give_text);
}

napi_value reader_create(const Arguments& a) {
  return to_handle(a.env(), taken(ChatReader::create(*a.handle<Model>(0, "model"), a[1].text())));
}

// The events; those before an error are lost to the caller, who could do nothing with half a call.
napi_value reader_push(const Arguments& a) {
  const ChatReader::Events events = a.handle<ChatReader>(0, "chat reader")->push(a[1].text(), a[2].flag(false));
  done(events.status);
  return to_js(a.env(), events.json);
}

napi_value adapter_open(const Arguments& a) {
  return start_task<Adapter>(
      a.env(), [model = a.handle<Model>(0, "model"), path = a[1].text()] { return Adapter::open(*model, path); },
      give_handle<Adapter>);
}

napi_value adapter_describe(const Arguments& a) {
  return to_js(a.env(), taken(a.handle<Adapter>(0, "adapter")->describe()));
}

}  // namespace

void add_model_functions(napi_env env, napi_value exports) {
  add(env, exports, "modelOpen", guarded<model_open>);
  add(env, exports, "modelInfo", guarded<model_info>);
  add(env, exports, "modelDescribe", guarded<model_describe>);
  add(env, exports, "modelTokenize", guarded<model_tokenize>);
  add(env, exports, "modelDetokenize", guarded<model_detokenize>);
  add(env, exports, "modelChatText", guarded<model_chat_text>);
  add(env, exports, "modelChatTokens", guarded<model_chat_tokens>);
  add(env, exports, "modelChatFormat", guarded<model_chat_format>);
  add(env, exports, "modelCheckConstraint", guarded<model_check_constraint>);
  add(env, exports, "readerCreate", guarded<reader_create>);
  add(env, exports, "readerPush", guarded<reader_push>);
  add(env, exports, "adapterOpen", guarded<adapter_open>);
  add(env, exports, "adapterDescribe", guarded<adapter_describe>);
}

}  // namespace kedge::tools::node
