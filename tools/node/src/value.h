// JavaScript values as C++ ones and back, over Node-API. What goes wrong is an exception here and one there: functions
// of the addon run inside `guarded`.
#pragma once

#include <node_api.h>

#include <kedge/kedge_router.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kedge::tools::node {

struct Pending {};  // a JavaScript exception is on its way
struct Failure {    // one is to be made of this
  Error error;
};

[[noreturn]] void fail(kedge_status code, std::string message);
void check(napi_env env, napi_status status);

// The value of a result, or its error as a Failure.
template <class T>
T taken(Result<T> result) {
  if (!result) throw Failure{result.error()};
  return *std::move(result);
}
void done(const Status& status);

napi_value undefined(napi_env env);
napi_value to_js(napi_env env, std::string_view text);
napi_value to_js(napi_env env, double number);
napi_value to_js(napi_env env, std::span<const int32_t> tokens);  // Int32Array
napi_value to_js(napi_env env, std::span<const float> values);    // Float32Array
napi_value to_buffer(napi_env env, std::string_view bytes);
napi_value to_error(napi_env env, const Error& error);  // an Error with the member `status`
void set(napi_env env, napi_value object, const char* name, napi_value value);

// One argument or member.
class Value {
 public:
  Value(napi_env env, napi_value value) : env_(env), value_(value) {}
  napi_value raw() const { return value_; }
  bool missing() const;  // undefined or null
  Value member(const char* name) const;
  std::vector<Value> items() const;
  std::string text() const;  // strings; "" when missing
  double number(double otherwise) const;
  int32_t int32(int32_t otherwise) const;
  uint64_t uint64(uint64_t otherwise) const;  // numbers and BigInts
  bool flag(bool otherwise) const;
  std::vector<int32_t> tokens() const;  // an Int32Array or an array of numbers

 private:
  napi_env env_;
  napi_value value_;
};

// A handle that JavaScript holds: closed by name, or by the collector. A call that runs keeps what it works on.
struct Held {
  std::shared_ptr<void> owner;
  const void* kind;  // address of kKind<T>
};
template <class T>
inline constexpr char kKind = 0;

napi_value wrap_held(napi_env env, Held held);
Held* held_in(napi_env env, napi_value value);

template <class T>
napi_value to_handle(napi_env env, T value) {
  return wrap_held(env, {std::make_shared<T>(std::move(value)), &kKind<T>});
}
template <class T>
std::shared_ptr<T> from_handle(napi_env env, napi_value value, const char* what) {
  const Held* held = held_in(env, value);
  if (held == nullptr || held->kind != &kKind<T>) fail(KEDGE_INVALID_ARGUMENT, std::string("this is no ") + what);
  if (held->owner == nullptr) fail(KEDGE_INVALID_ARGUMENT, std::string("the ") + what + " is closed");
  return std::static_pointer_cast<T>(held->owner);
}

// The arguments of a call.
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info);
  napi_env env() const { return env_; }
  Value operator[](size_t i) const;
  template <class T>
  std::shared_ptr<T> handle(size_t i, const char* what) const {
    return from_handle<T>(env_, (*this)[i].raw(), what);
  }

 private:
  napi_env env_;
  napi_value values_[8] = {};
  size_t n_ = 8;
};

using Function = napi_value (*)(const Arguments&);

// `function` as Node-API calls one.
template <Function function>
napi_value guarded(napi_env env, napi_callback_info info) {
  try {
    return function(Arguments(env, info));
  } catch (const Pending&) {
  } catch (const Failure& failure) {
    napi_throw(env, to_error(env, failure.error));
  } catch (const std::bad_alloc&) {
    napi_throw(env, to_error(env, {KEDGE_CAPACITY, "out of memory"}));
  }
  return nullptr;
}

}  // namespace kedge::tools::node
