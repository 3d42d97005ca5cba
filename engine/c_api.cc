// The C interface: the library itself, errors and memory.
#include "engine/c_api.h"

#include <pthread.h>

#include <cstdlib>

#include "engine/settings_json.h"
#include "engine/system_info.h"

#ifndef KEDGE_VERSION
#define KEDGE_VERSION "0.1.0"
#endif

namespace kedge::engine::c_api {
namespace {

// Of this thread. A plain pointer: registering a thread's destructor takes memory, and glibc ends the process when
// there is none. The copy behind it is freed through a key, which the C library keeps room for.
thread_local constinit const char* last_error = "";

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
  last_error = kept && copy != nullptr ? copy : "out of memory";
  return static_cast<kedge_status>(code);
}

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

}  // namespace kedge::engine::c_api

namespace {
using namespace kedge::engine;
using namespace kedge::engine::c_api;

// Zeroes the outputs of a function that hands out text, and runs `make`.
template <class Make>
kedge_status text_out(char** data, size_t* size, Make&& make) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(data, "the output pointer"));
    KEDGE_TRY(not_null(size, "the output size"));
    *data = nullptr;
    *size = 0;
    return give_text(make(), data, size);
  });
}

}  // namespace

extern "C" {

const char* kedge_version(void) { return KEDGE_VERSION; }
int kedge_abi_version(void) { return KEDGE_ABI_VERSION; }

const char* kedge_status_name(kedge_status s) {
  switch (s) {
    case KEDGE_OK:
      return "ok";
    case KEDGE_INVALID_ARGUMENT:
      return "invalid_argument";
    case KEDGE_NOT_FOUND:
      return "not_found";
    case KEDGE_CORRUPT:
      return "corrupt";
    case KEDGE_UNSUPPORTED:
      return "unsupported";
    case KEDGE_CAPACITY:
      return "capacity";
    case KEDGE_IO:
      return "io";
    case KEDGE_CANCELLED:
      return "cancelled";
    case KEDGE_INTERNAL:
      return "internal";
  }
  return "unknown";
}

const char* kedge_last_error(void) { return last_error; }
void kedge_free(void* owned) { std::free(owned); }

int kedge_default_threads(void) {
  int n = 1;
  (void)guard([&]() -> Status {
    n = default_threads();
    return {};
  });
  return n;
}

kedge_status kedge_system_info(char** json, size_t* json_size) {
  return text_out(json, json_size, [] { return system_info_json(system_info()); });
}

kedge_status kedge_settings_schema(char** json, size_t* json_size) {
  return text_out(json, json_size, [] { return settings_schema_json(); });
}

}  // extern "C"
