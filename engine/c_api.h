// What the files of the C interface share: the handles, errors that stay inside, options of any age, owned outputs.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/generate.h"
#include "engine/model.h"
#include "engine/session.h"
#include "include/kedge/kedge.h"
#include "kernels/base/result.h"

struct kedge_model {
  std::shared_ptr<const kedge::engine::Model> model;
};

struct kedge_engine {
  std::shared_ptr<kedge::engine::Engine> engine;
};

struct kedge_session {
  enum State { kIdle, kInUse, kInUseAndFreed };

  std::unique_ptr<kedge::engine::Session> session;
  std::atomic<bool> cancel{false};
  mutable std::atomic<int> state{kIdle};
  const pid_t process = getpid();
};
static_assert(std::atomic<bool>::is_always_lock_free, "kedge_session_set_cancel is called from signal handlers");

struct kedge_checkpoint {
  std::shared_ptr<const kedge::engine::Session::Checkpoint> state;
};

struct kedge_generation {
  kedge::engine::GenerateResult result;
  std::vector<kedge_logprob> logprobs;
};

namespace kedge::engine::c_api {

// Keeps the message for kedge_last_error() and gives the status; never throws.
kedge_status fail(ErrorCode code, const char* message) noexcept;

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

// A session for the time of one call. Errors: null, in use by another call (of another thread, or the one whose
// callback this is), or made by the parent of this process with a cold tier in a file, which both would write.
class SessionUse {
 public:
  static Result<SessionUse> begin(const kedge_session* session);
  SessionUse(SessionUse&& other) noexcept = default;
  SessionUse& operator=(SessionUse&&) = delete;
  ~SessionUse();

 private:
  explicit SessionUse(const kedge_session* session) : held_(session->session->use()), session_(session) {}
  std::unique_lock<std::recursive_mutex> held_;  // empty when moved from
  const kedge_session* session_;
};

Result<SessionOptions> session_options(const Model& model, const kedge_session_options* given);

}  // namespace kedge::engine::c_api
