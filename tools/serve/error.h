// What goes wrong with a request, in no API's words: each API has a shape of its own for it (wire/errors.h).
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "kedge/kedge.hpp"
#include "kernels/base/json.h"

namespace kedge::tools::serve {

using base::Json;

struct ApiError {
  int status = 500;
  std::string code;        // snake_case: "context_length_exceeded", "model_not_found"
  std::string message;     // names the thing and the limit
  std::string param = {};  // the member it is about, as a path ("messages[3].content[1]"); empty: none
  std::string type = {};   // empty: what the API says for this status
  Json extra = {};         // further members, an object ("n_prompt_tokens", ...) or null
  int retry_after_ms = 0;  // > 0: may be tried again then; 0: would fail again
};

// Of a member that is wrong: status 400, code "invalid_request".
ApiError bad_request(std::string message, std::string param = {});
// In the words that clients know it by.
ApiError context_exceeded(size_t n_prompt, int n_ctx);
// Of a failure of the library while it worked on a request.
ApiError library_error(const kedge::Error& error);

template <class T>
class [[nodiscard]] Answer {
 public:
  Answer(T value) : v_(std::in_place_index<0>, std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Answer(ApiError error) : v_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return v_.index() == 0; }
  T& operator*() { return std::get<0>(v_); }
  const T& operator*() const { return std::get<0>(v_); }
  T* operator->() { return &std::get<0>(v_); }
  const T* operator->() const { return &std::get<0>(v_); }
  const ApiError& error() const { return std::get<1>(v_); }

 private:
  std::variant<T, ApiError> v_;
};

}  // namespace kedge::tools::serve
