// What the files of the C interfaces share: errors that stay inside, options of any age, owned outputs.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "include/kedge/kedge.h"
#include "kernels/base/result.h"

struct kedge_cancel {
  std::atomic<bool> on{false};
};
static_assert(std::atomic<bool>::is_always_lock_free, "kedge_cancel_set is called from signal handlers");

namespace kedge::base::capi {

// Keeps the message for kedge_last_error() and gives the status; never throws.
kedge_status fail(ErrorCode code, const char* message) noexcept;
const char* last_error() noexcept;  // of this thread

// Runs the body of an interface function; whatever is thrown inside (memory, a caller's callback) becomes a status.
template <class Body>
kedge_status guard(Body&& body) noexcept {
  try {
    const Status status = body();
    if (status.ok()) return KEDGE_OK;
    return fail(status.error().code, status.error().message.c_str());
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kCapacity, "out of memory");
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInternal, e.what());
  } catch (...) {
    return fail(ErrorCode::kInternal, "an exception that is none of std's");
  }
}

inline Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Status not_null(const void* pointer, const char* name);

// Pointer and length as a view; a null pointer only with length 0.
template <class T>
Result<std::span<const T>> in_span(const T* data, size_t n, const char* name) {
  if (data == nullptr && n > 0) return invalid(std::string(name) + " is null but has length " + std::to_string(n));
  return std::span<const T>(data, n);
}
Result<std::string_view> in_text(const char* data, size_t n, const char* name);

// Bytes of memory from malloc, released with kedge_free, with a NUL behind.
Status give_bytes(const void* data, size_t n_bytes, void** out);
// Output pointers are there, and empty until a call succeeds.
inline Status clear_outputs(auto** data, size_t* size) {
  KEDGE_TRY(not_null(data, "the output pointer"));
  KEDGE_TRY(not_null(size, "the output size"));
  *data = nullptr;
  *size = 0;
  return {};
}
Status give_text(std::string_view text, char** data, size_t* size);
Status give_ids(std::span<const int32_t> ids, int32_t** data, size_t* size);

// No struct of this interface comes near it; more is memory that nobody initialised.
inline constexpr size_t kMaxStruct = 4096;

Status check_struct_size(size_t given, size_t known, const void* object, const char* name);

// The caller's options over `options`, which holds the defaults: as much as both sides know. Fields of a newer caller
// that this library does not have must be zero.
template <class T>
Status read_options(const T* given, const char* name, T& options) {
  if (given == nullptr) return {};
  KEDGE_TRY(check_struct_size(given->struct_size, sizeof(T), given, name));
  const size_t size = given->struct_size < sizeof(T) ? given->struct_size : sizeof(T);
  std::memcpy(&options, given, size);
  return {};
}

// Writes as much of `value` as the caller has room for, and zeros what we do not know. struct_size stays the caller's.
template <class T>
void write_struct(T* out, size_t struct_size, const T& value) {
  if (out == nullptr || struct_size < sizeof(size_t) || struct_size > kMaxStruct) return;
  std::memset(out, 0, struct_size);
  std::memcpy(out, &value, struct_size < sizeof(T) ? struct_size : sizeof(T));
  std::memcpy(out, &struct_size, sizeof struct_size);
}

// The same for a struct whose struct_size the caller has set.
template <class T>
Status give_struct(T* out, const char* name, const T& value) {
  KEDGE_TRY(not_null(out, name));
  if (out->struct_size < sizeof(size_t) || out->struct_size > kMaxStruct) {
    return invalid(std::string(name) + ": struct_size = " + std::to_string(out->struct_size) +
                   "; set it to the size of the struct");
  }
  write_struct(out, out->struct_size, value);
  return {};
}

// Runs a function that hands out text; the outputs are empty until it succeeds. `make` gives a text or a Result of one.
template <class Make>
kedge_status text_out(char** data, size_t* size, Make&& make) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(data, size));
    Result<std::string> text = make();
    if (!text.ok()) return std::move(text).error();
    return give_text(*text, data, size);
  });
}

}  // namespace kedge::base::capi
