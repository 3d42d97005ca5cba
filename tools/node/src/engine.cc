// Engines: many sessions in common steps, and vectors of texts.
#include "tools/node/src/functions.h"

namespace kedge::tools::node {
namespace {

napi_value engine_create(const Arguments& a) {
  EngineOptions o;
  const Value& given = a[1];
  o.n_threads = given.member("threads").int32(0);
  o.sequences = given.member("sequences").int32(16);
  o.memory = given.member("memory").uint64(0);
  o.step_tokens = given.member("stepTokens").int32(512);
  o.step_ms = given.member("stepMs").number(0);
  o.waiting = given.member("waiting").int32(256);
  o.default_tokens = given.member("defaultTokens").int32(512);
  o.kv_type = static_cast<kedge_kv_type>(given.member("kvType").int32(KEDGE_KV_F16));
  o.numerics = static_cast<kedge_numerics>(given.member("numerics").int32(KEDGE_NUMERICS_EXACT));
  o.spill = given.member("spill").text();
  return start_task<Engine>(
      a.env(), [model = a.handle<Model>(0, "model"), o] { return Engine::create(*model, o); }, give_handle<Engine>);
}

napi_value engine_session(const Arguments& a) {
  return to_handle(a.env(), taken(a.handle<Engine>(0, "engine")->session(session_options(a.env(), a[1]))));
}

napi_value engine_load(const Arguments& a) {
  return start_task<Session>(
      a.env(), [engine = a.handle<Engine>(0, "engine"), path = a[1].text()] { return engine->load_session(path); },
      give_handle<Session>);
}

napi_value engine_stats(const Arguments& a) { return to_js(a.env(), taken(a.handle<Engine>(0, "engine")->stats())); }

class EmbedJob : public Job {
 public:
  EmbedJob(std::shared_ptr<Engine> engine, std::vector<int32_t> tokens, EmbedOptions options,
           std::shared_ptr<Cancel> cancel)
      : engine_(std::move(engine)),
        tokens_(std::move(tokens)),
        options_(std::move(options)),
        cancel_(std::move(cancel)) {
    options_.cancel = cancel_.get();
  }
  Status run() override {
    auto values = engine_->embed(tokens_, options_);
    if (!values) return values.error();
    values_ = *std::move(values);
    return {};
  }
  napi_value value(napi_env env) override { return to_js(env, std::span<const float>(values_)); }
  void stop() override { cancel_->set(); }

 private:
  std::shared_ptr<Engine> engine_;
  std::vector<int32_t> tokens_;
  EmbedOptions options_;
  std::shared_ptr<Cancel> cancel_;
  std::vector<float> values_;
};

// embed(engine, tokens, options, cancel)
napi_value engine_embed(const Arguments& a) {
  EmbedOptions o;
  o.pooling = static_cast<kedge_pooling>(a[2].member("pooling").int32(KEDGE_POOLING_MODEL));
  o.normalise = a[2].member("normalise").flag(true);
  o.key = a[2].member("key").text();
  o.deadline_ms = a[2].member("deadlineMs").number(0);
  auto job = std::make_shared<EmbedJob>(a.handle<Engine>(0, "engine"), a[1].tokens(), std::move(o),
                                        a.handle<Cancel>(3, "cancel"));
  return start(a.env(), std::move(job), Value(a.env(), undefined(a.env())));
}

napi_value cancel_create(const Arguments& a) { return to_handle(a.env(), taken(Cancel::create())); }

napi_value cancel_set(const Arguments& a) {
  a.handle<Cancel>(0, "cancel")->set();
  return undefined(a.env());
}

}  // namespace

void add_engine_functions(napi_env env, napi_value exports) {
  add(env, exports, "engineCreate", guarded<engine_create>);
  add(env, exports, "engineSession", guarded<engine_session>);
  add(env, exports, "engineLoad", guarded<engine_load>);
  add(env, exports, "engineStats", guarded<engine_stats>);
  add(env, exports, "engineEmbed", guarded<engine_embed>);
  add(env, exports, "cancelCreate", guarded<cancel_create>);
  add(env, exports, "cancelSet", guarded<cancel_set>);
}

}  // namespace kedge::tools::node
