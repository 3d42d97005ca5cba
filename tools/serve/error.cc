#include "tools/serve/error.h"

#include <cerrno>
#include <cstring>
#include <string_view>

namespace kedge::tools::serve {

namespace {

// The library says what the system said, or SQLite.
bool disk_is_full(std::string_view message) {
  return message.find(std::strerror(ENOSPC)) != std::string_view::npos ||
         message.find("disk is full") != std::string_view::npos;
}

}  // namespace

ApiError bad_request(std::string message, std::string param) {
  return {.status = 400, .code = "invalid_request", .message = std::move(message), .param = std::move(param)};
}

ApiError context_exceeded(size_t n_prompt, int n_ctx) {
  return {.status = 400,
          .code = "context_length_exceeded",
          .message = "This model's maximum context length is " + std::to_string(n_ctx) +
                     " tokens, and the prompt has " + std::to_string(n_prompt) +
                     ". Shorten it, or give a memory budget (kedge.kv).",
          .param = "messages",
          .type = "exceed_context_size_error",
          .extra = {{"n_prompt_tokens", n_prompt}, {"n_ctx", n_ctx}}};
}

ApiError library_error(const kedge::Error& error) {
  switch (error.code) {
    case KEDGE_INVALID_ARGUMENT:
    case KEDGE_UNSUPPORTED:
      return bad_request(error.message);
    case KEDGE_NOT_FOUND:
      return {.status = 404, .code = "not_found", .message = error.message};
    case KEDGE_CAPACITY:
      return {.status = 400, .code = "does_not_fit", .message = error.message};
    case KEDGE_IO:
      if (disk_is_full(error.message)) return {.status = 507, .code = "disk_full", .message = error.message};
      return {.status = 503, .code = "io_error", .message = error.message, .retry_after_ms = 5000};
    default:
      return {.status = 500, .code = kedge_status_name(error.code), .message = error.message};
  }
}

}  // namespace kedge::tools::serve
