// Errors as values. A Result<T> holds either a T or an Error; nothing in the library throws across its public
// interface, aborts, or prints. Every message names the thing, the value and the limit.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "kernels/base/rooms.h"

namespace kedge::base {

// The classes of failure a caller can act on differently. The C interface has the same numbers.
enum class ErrorCode : int {
  kInvalidArgument = 1,  // the caller's value is wrong
  kNotFound = 2,         // no such file, key, tensor
  kCorrupt = 3,          // the file breaks its format
  kUnsupported = 4,      // well formed, but not something this build can do
  kCapacity = 5,         // a limit is reached: context full, cap exceeded, out of memory
  kIo = 6,               // the operating system refused
  kCancelled = 7,        // the caller asked to stop
  kInternal = 8,         // a bug of ours
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

// Either a value or an error. Test with ok() before value().
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : v_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return *std::get_if<0>(&v_); }
  const T& value() const& { return *std::get_if<0>(&v_); }
  T&& value() && { return std::move(*std::get_if<0>(&v_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { return *std::get_if<1>(&v_); }
  Error&& error() && { return std::move(*std::get_if<1>(&v_)); }

 private:
  std::variant<T, Error> v_;
};

// Success or an error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : e_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !e_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return *e_; }
  Error&& error() && { return *std::move(e_); }

 private:
  std::optional<Error> e_;
};

}  // namespace kedge::base

// Returns the error of a Status or Result expression from the enclosing function; goes on when it succeeded.
#define KEDGE_TRY(expr)                                         \
  do {                                                          \
    auto kedge_try_ = (expr);                                   \
    if (!kedge_try_.ok()) return std::move(kedge_try_).error(); \
  } while (0)

// Declares `var` from a Result expression, or returns its error from the enclosing function.
#define KEDGE_ASSIGN(var, expr)                                     \
  auto var##_result_ = (expr);                                      \
  if (!var##_result_.ok()) return std::move(var##_result_).error(); \
  auto var = std::move(var##_result_).value()
