// The addon of the Node package: libkedge's functions for lib/*.js.
#include "tools/node/src/functions.h"

namespace kedge::tools::node {

void add(napi_env env, napi_value exports, const char* name, napi_callback function) {
  napi_value made = nullptr;
  check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &made));
  set(env, exports, name, made);
}

namespace {

napi_value close(const Arguments& a) {
  Held* held = held_in(a.env(), a[0].raw());
  if (held != nullptr) held->owner = nullptr;
  return undefined(a.env());
}

napi_value system_info_of(const Arguments& a) { return to_js(a.env(), taken(system_info())); }
napi_value settings_schema_of(const Arguments& a) { return to_js(a.env(), taken(settings_schema())); }
napi_value references_of(const Arguments& a) { return to_js(a.env(), taken(detect_references(a[0].text()))); }

napi_value fill(napi_env env, napi_value exports) {
  set(env, exports, "version", to_js(env, std::string_view(kedge_version())));
  set(env, exports, "abiVersion", to_js(env, kedge_abi_version()));
  set(env, exports, "defaultThreads", to_js(env, kedge_default_threads()));
  add(env, exports, "close", guarded<close>);
  add(env, exports, "systemInfo", guarded<system_info_of>);
  add(env, exports, "settingsSchema", guarded<settings_schema_of>);
  add(env, exports, "detectReferences", guarded<references_of>);
  add_model_functions(env, exports);
  add_session_functions(env, exports);
  add_generate_functions(env, exports);
  add_engine_functions(env, exports);
  add_router_functions(env, exports);
  watch_environment(env);
  return exports;
}

napi_value init(napi_env env, napi_value exports) {
  try {
    return fill(env, exports);
  } catch (const Pending&) {
  } catch (const Failure& failure) {
    napi_throw(env, to_error(env, failure.error));
  }
  return nullptr;
}

}  // namespace
}  // namespace kedge::tools::node

NAPI_MODULE_INIT() { return kedge::tools::node::init(env, exports); }
