// Sessions, but for what they generate: state, memory, files.
#include "tools/node/src/functions.h"

namespace kedge::tools::node {

SessionOptions session_options(napi_env env, const Value& options) {
  SessionOptions o;
  o.n_ctx = options.member("context").int32(0);
  o.n_threads = options.member("threads").int32(0);
  o.chunk = options.member("chunk").int32(512);
  o.kv_type = static_cast<kedge_kv_type>(options.member("kvType").int32(KEDGE_KV_F16));
  o.numerics = static_cast<kedge_numerics>(options.member("numerics").int32(KEDGE_NUMERICS_EXACT));
  o.kv = options.member("kv").text();
  for (const Value& pair : options.member("adapters").items()) {
    const std::vector<Value> use = pair.items();
    if (use.size() != 2) fail(KEDGE_INVALID_ARGUMENT, "adapters are pairs of an adapter and a scale");
    const auto adapter = from_handle<Adapter>(env, use[0].raw(), "adapter");
    o.adapters.push_back(adapter->use(static_cast<float>(use[1].number(1))));
  }
  return o;
}

namespace {

std::shared_ptr<Session> session_of(const Arguments& a) { return a.handle<Session>(0, "session"); }

// Adapters are kept alive until the session has them.
std::vector<std::shared_ptr<Adapter>> adapters_of(const Arguments& a, const Value& options) {
  std::vector<std::shared_ptr<Adapter>> kept;
  for (const Value& pair : options.member("adapters").items()) {
    kept.push_back(from_handle<Adapter>(a.env(), pair.items()[0].raw(), "adapter"));
  }
  return kept;
}

napi_value session_create(const Arguments& a) {
  return start_task<Session>(
      a.env(),
      [model = a.handle<Model>(0, "model"), options = session_options(a.env(), a[1]), kept = adapters_of(a, a[1])] {
        return Session::create(*model, options);
      },
      give_handle<Session>);
}

napi_value session_load(const Arguments& a) {
  return start_task<Session>(
      a.env(),
      [model = a.handle<Model>(0, "model"), path = a[1].text(), options = session_options(a.env(), a[2]),
       kept = adapters_of(a, a[2])] { return Session::load(*model, path, options); },
      give_handle<Session>);
}

napi_value session_save(const Arguments& a) {
  return start_task<Nothing>(
      a.env(), [session = session_of(a), path = a[1].text()] { return nothing(session->save(path)); }, give_nothing);
}

napi_value session_info(const Arguments& a) {
  const napi_env env = a.env();
  const kedge_session_info info = session_of(a)->info();
  napi_value made = nullptr;
  check(env, napi_create_object(env, &made));
  set(env, made, "context", to_js(env, info.n_ctx));
  set(env, made, "threads", to_js(env, info.n_threads));
  set(env, made, "past", to_js(env, info.n_past));
  set(env, made, "vocabulary", to_js(env, info.n_vocab));
  set(env, made, "kvBytes", to_js(env, static_cast<double>(info.kv_bytes)));
  set(env, made, "scratchBytes", to_js(env, static_cast<double>(info.scratch_bytes)));
  return made;
}

napi_value session_tokens(const Arguments& a) { return to_js(a.env(), session_of(a)->tokens()); }
napi_value session_logits(const Arguments& a) { return to_js(a.env(), session_of(a)->logits()); }
napi_value session_kv(const Arguments& a) { return to_js(a.env(), taken(session_of(a)->kv())); }
napi_value session_kv_log(const Arguments& a) { return to_js(a.env(), taken(session_of(a)->kv_log(a[1].uint64(0)))); }
napi_value session_recall(const Arguments& a) { return to_js(a.env(), taken(session_of(a)->recall(a[1].text()))); }
napi_value session_add_segments(const Arguments& a) {
  return to_js(a.env(), taken(session_of(a)->add_segments(a[1].text())));
}
napi_value session_fork(const Arguments& a) { return to_handle(a.env(), taken(session_of(a)->fork())); }
napi_value session_checkpoint(const Arguments& a) { return to_handle(a.env(), taken(session_of(a)->checkpoint())); }

napi_value session_truncate(const Arguments& a) {
  done(session_of(a)->truncate(a[1].int32(0)));
  return undefined(a.env());
}

napi_value session_rollback(const Arguments& a) {
  done(session_of(a)->rollback(*a.handle<Session::Checkpoint>(1, "checkpoint")));
  return undefined(a.env());
}

napi_value session_cancel(const Arguments& a) {
  session_of(a)->set_cancel(a[1].flag(true));
  return undefined(a.env());
}

class EvalJob : public Job {
 public:
  EvalJob(std::shared_ptr<Session> session, std::vector<int32_t> tokens)
      : session_(std::move(session)), tokens_(std::move(tokens)) {}
  Status run() override { return session_->eval(tokens_); }
  napi_value value(napi_env env) override { return undefined(env); }
  void stop() override { session_->set_cancel(true); }

 private:
  std::shared_ptr<Session> session_;
  std::vector<int32_t> tokens_;
};

napi_value session_eval(const Arguments& a) {
  const auto session = session_of(a);
  session->set_cancel(false);  // of the call before
  return start(a.env(), std::make_shared<EvalJob>(session, a[1].tokens()), a[2]);
}

}  // namespace

void add_session_functions(napi_env env, napi_value exports) {
  add(env, exports, "sessionCreate", guarded<session_create>);
  add(env, exports, "sessionLoad", guarded<session_load>);
  add(env, exports, "sessionSave", guarded<session_save>);
  add(env, exports, "sessionInfo", guarded<session_info>);
  add(env, exports, "sessionTokens", guarded<session_tokens>);
  add(env, exports, "sessionLogits", guarded<session_logits>);
  add(env, exports, "sessionKv", guarded<session_kv>);
  add(env, exports, "sessionKvLog", guarded<session_kv_log>);
  add(env, exports, "sessionRecall", guarded<session_recall>);
  add(env, exports, "sessionAddSegments", guarded<session_add_segments>);
  add(env, exports, "sessionFork", guarded<session_fork>);
  add(env, exports, "sessionCheckpoint", guarded<session_checkpoint>);
  add(env, exports, "sessionTruncate", guarded<session_truncate>);
  add(env, exports, "sessionRollback", guarded<session_rollback>);
  add(env, exports, "sessionCancel", guarded<session_cancel>);
  add(env, exports, "sessionEval", guarded<session_eval>);
}

}  // namespace kedge::tools::node
