#include "tools/node/src/value.h"

#include <cstring>
#include <new>

namespace kedge::tools::node {

void fail(kedge_status code, std::string message) { throw Failure{{code, std::move(message)}}; }

void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) throw Pending{};
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  const char* why = info != nullptr && info->error_message != nullptr ? info->error_message : "Node-API failed";
  fail(KEDGE_INTERNAL, why);
}

void done(const Status& status) {
  if (!status) throw Failure{status.error()};
}

napi_value undefined(napi_env env) {
  napi_value value = nullptr;
  check(env, napi_get_undefined(env, &value));
  return value;
}

napi_value to_js(napi_env env, std::string_view text) {
  napi_value value = nullptr;
  check(env, napi_create_string_utf8(env, text.data(), text.size(), &value));
  return value;
}

napi_value to_js(napi_env env, double number) {
  napi_value value = nullptr;
  check(env, napi_create_double(env, number, &value));
  return value;
}

namespace {

napi_value typed_array(napi_env env, napi_typedarray_type type, const void* data, size_t n, size_t size) {
  void* bytes = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  check(env, napi_create_arraybuffer(env, n * size, &bytes, &buffer));
  if (n != 0) std::memcpy(bytes, data, n * size);
  check(env, napi_create_typedarray(env, type, n, buffer, 0, &array));
  return array;
}

napi_valuetype type_of(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  check(env, napi_typeof(env, value, &type));
  return type;
}

}  // namespace

napi_value to_js(napi_env env, std::span<const int32_t> tokens) {
  return typed_array(env, napi_int32_array, tokens.data(), tokens.size(), sizeof(int32_t));
}

napi_value to_js(napi_env env, std::span<const float> values) {
  return typed_array(env, napi_float32_array, values.data(), values.size(), sizeof(float));
}

napi_value to_buffer(napi_env env, std::string_view bytes) {
  napi_value value = nullptr;
  check(env, napi_create_buffer_copy(env, bytes.size(), bytes.data(), nullptr, &value));
  return value;
}

napi_value to_error(napi_env env, const Error& error) {
  napi_value made = nullptr;
  napi_value text = nullptr;
  napi_create_string_utf8(env, error.message.data(), error.message.size(), &text);
  napi_create_error(env, nullptr, text, &made);
  napi_value status = nullptr;
  napi_create_string_utf8(env, kedge_status_name(error.code), NAPI_AUTO_LENGTH, &status);
  napi_set_named_property(env, made, "status", status);
  return made;
}

void set(napi_env env, napi_value object, const char* name, napi_value value) {
  check(env, napi_set_named_property(env, object, name, value));
}

bool Value::missing() const {
  const napi_valuetype type = type_of(env_, value_);
  return type == napi_undefined || type == napi_null;
}

Value Value::member(const char* name) const {
  if (type_of(env_, value_) != napi_object) return {env_, undefined(env_)};
  napi_value found = nullptr;
  check(env_, napi_get_named_property(env_, value_, name, &found));
  return {env_, found};
}

std::vector<Value> Value::items() const {
  std::vector<Value> all;
  if (missing()) return all;
  bool is_array = false;
  check(env_, napi_is_array(env_, value_, &is_array));
  if (!is_array) fail(KEDGE_INVALID_ARGUMENT, "an array is needed here");
  uint32_t n = 0;
  check(env_, napi_get_array_length(env_, value_, &n));
  for (uint32_t i = 0; i < n; ++i) {
    napi_value item = nullptr;
    check(env_, napi_get_element(env_, value_, i, &item));
    all.emplace_back(env_, item);
  }
  return all;
}

std::string Value::text() const {
  if (missing()) return {};
  if (type_of(env_, value_) != napi_string) fail(KEDGE_INVALID_ARGUMENT, "a string is needed here");
  size_t size = 0;
  check(env_, napi_get_value_string_utf8(env_, value_, nullptr, 0, &size));
  std::string text(size, '\0');
  check(env_, napi_get_value_string_utf8(env_, value_, text.data(), size + 1, &size));
  return text;
}

double Value::number(double otherwise) const {
  if (missing()) return otherwise;
  if (type_of(env_, value_) != napi_number) fail(KEDGE_INVALID_ARGUMENT, "a number is needed here");
  double number = 0;
  check(env_, napi_get_value_double(env_, value_, &number));
  return number;
}

int32_t Value::int32(int32_t otherwise) const {
  const double n = number(otherwise);
  if (!(n >= -2147483648.0 && n <= 2147483647.0) || n != static_cast<double>(static_cast<int32_t>(n))) {
    fail(KEDGE_INVALID_ARGUMENT, "a whole number of 32 bits is needed here");
  }
  return static_cast<int32_t>(n);
}

uint64_t Value::uint64(uint64_t otherwise) const {
  if (missing()) return otherwise;
  if (type_of(env_, value_) == napi_bigint) {
    uint64_t number = 0;
    bool whole = false;
    check(env_, napi_get_value_bigint_uint64(env_, value_, &number, &whole));
    if (!whole) fail(KEDGE_INVALID_ARGUMENT, "this BigInt has more than 64 bits or is negative");
    return number;
  }
  const double n = number(0);
  if (!(n >= 0 && n <= 9007199254740991.0) || n != static_cast<double>(static_cast<uint64_t>(n))) {
    fail(KEDGE_INVALID_ARGUMENT, "a whole number from 0 to 2^53 - 1, or a BigInt, is needed here");
  }
  return static_cast<uint64_t>(n);
}

bool Value::flag(bool otherwise) const {
  if (missing()) return otherwise;
  if (type_of(env_, value_) != napi_boolean) fail(KEDGE_INVALID_ARGUMENT, "true or false is needed here");
  bool flag = false;
  check(env_, napi_get_value_bool(env_, value_, &flag));
  return flag;
}

std::vector<int32_t> Value::tokens() const {
  bool typed = false;
  check(env_, napi_is_typedarray(env_, value_, &typed));
  std::vector<int32_t> tokens;
  if (!typed) {
    for (const Value& item : items()) tokens.push_back(item.int32(-1));
    return tokens;
  }
  napi_typedarray_type type = napi_int8_array;
  size_t n = 0;
  void* data = nullptr;
  check(env_, napi_get_typedarray_info(env_, value_, &type, &n, &data, nullptr, nullptr));
  if (type != napi_int32_array) fail(KEDGE_INVALID_ARGUMENT, "tokens are an Int32Array or an array of numbers");
  const auto* first = static_cast<const int32_t*>(data);
  tokens.assign(first, first + n);
  return tokens;
}

napi_value wrap_held(napi_env env, Held held) {
  auto owned = std::make_unique<Held>(std::move(held));
  napi_value value = nullptr;
  check(env,
        napi_create_external(
            env, owned.get(), [](napi_env, void* data, void*) { delete static_cast<Held*>(data); }, nullptr, &value));
  static_cast<void>(owned.release());  // the collector's now
  return value;
}

Held* held_in(napi_env env, napi_value value) {
  if (type_of(env, value) != napi_external) return nullptr;
  void* data = nullptr;
  check(env, napi_get_value_external(env, value, &data));
  return static_cast<Held*>(data);
}

Arguments::Arguments(napi_env env, napi_callback_info info) : env_(env) {
  check(env, napi_get_cb_info(env, info, &n_, values_, nullptr, nullptr));
}

Value Arguments::operator[](size_t i) const { return {env_, i < n_ ? values_[i] : undefined(env_)}; }

}  // namespace kedge::tools::node
