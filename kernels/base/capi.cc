#include "kernels/base/capi.h"

#include <pthread.h>

#include <cstdlib>

namespace kedge::base::capi {
namespace {

// Of this thread. A plain pointer: registering a thread's destructor takes memory, and glibc ends the process when
// there is none. The copy behind it is freed through a key, which the C library keeps room for.
thread_local constinit const char* last_message = "";

pthread_key_t copy_key() {
  static const pthread_key_t key = [] {
    pthread_key_t made = 0;
    pthread_key_create(&made, std::free);
    return made;
  }();
  return key;
}

}  // namespace

kedge_status fail(ErrorCode code, const char* message) noexcept {
  const size_t size = std::strlen(message) + 1;
  auto* copy = static_cast<char*>(std::malloc(size));
  if (copy != nullptr) std::memcpy(copy, message, size);
  std::free(pthread_getspecific(copy_key()));
  const bool kept = pthread_setspecific(copy_key(), copy) == 0;
  if (!kept) std::free(copy);
  last_message = kept && copy != nullptr ? copy : "out of memory";
  return static_cast<kedge_status>(code);
}

const char* last_error() noexcept { return last_message; }

Status not_null(const void* pointer, const char* name) {
  if (pointer == nullptr) return invalid(std::string(name) + " is null");
  return {};
}

Result<std::string_view> in_text(const char* data, size_t n, const char* name) {
  KEDGE_ASSIGN(span, in_span(data, n, name));
  return std::string_view(span.data(), span.size());
}

Status give_bytes(const void* data, size_t n_bytes, void** out) {
  auto* copy = static_cast<char*>(std::malloc(n_bytes + 1));
  if (copy == nullptr) return Error{ErrorCode::kCapacity, "out of memory for " + std::to_string(n_bytes) + " bytes"};
  if (n_bytes > 0) std::memcpy(copy, data, n_bytes);
  copy[n_bytes] = '\0';
  *out = copy;
  return {};
}

Status give_text(std::string_view text, char** data, size_t* size) {
  void* bytes = nullptr;
  KEDGE_TRY(give_bytes(text.data(), text.size(), &bytes));
  *data = static_cast<char*>(bytes);
  *size = text.size();
  return {};
}

Status give_ids(std::span<const int32_t> ids, int32_t** data, size_t* size) {
  void* bytes = nullptr;
  KEDGE_TRY(give_bytes(ids.data(), ids.size_bytes(), &bytes));
  *data = static_cast<int32_t*>(bytes);
  *size = ids.size();
  return {};
}

Status check_struct_size(size_t given, size_t known, const void* object, const char* name) {
  if (given < sizeof(size_t) || given > kMaxStruct) {
    return invalid(std::string(name) + ": struct_size = " + std::to_string(given) +
                   "; fill the struct with its init function");
  }
  const auto* bytes = static_cast<const unsigned char*>(object);
  for (size_t i = known; i < given; ++i) {
    if (bytes[i] != 0) {
      return Error{ErrorCode::kUnsupported,
                   std::string(name) + " sets an option that this version of Kedge does not have"};
    }
  }
  return {};
}

}  // namespace kedge::base::capi
