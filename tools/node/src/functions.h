// The addon's functions by file: each adds its own to `exports`. lib/*.js is their only caller and checks what users
// give.
#pragma once

#include "tools/node/src/job.h"

namespace kedge::tools::node {

void add(napi_env env, napi_value exports, const char* name, napi_callback function);
SessionOptions session_options(napi_env env, const Value& options);

void add_model_functions(napi_env env, napi_value exports);
void add_session_functions(napi_env env, napi_value exports);
void add_generate_functions(napi_env env, napi_value exports);
void add_engine_functions(napi_env env, napi_value exports);
void add_router_functions(napi_env env, napi_value exports);

// Results of tasks.
inline napi_value give_text(napi_env env, std::string text) { return to_js(env, text); }
template <class T>
napi_value give_handle(napi_env env, T value) {
  return to_handle(env, std::move(value));
}
struct Nothing {};
inline napi_value give_nothing(napi_env env, Nothing) { return undefined(env); }
inline Result<Nothing> nothing(const Status& status) {
  if (!status) return status.error();
  return Nothing{};
}

}  // namespace kedge::tools::node
