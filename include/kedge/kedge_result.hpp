// What every function of the C++ interface gives back: a value or an error. Part of kedge.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
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

}  // namespace kedge
