// The head of a request: the line and the fields. Stricter than the parser that frames the body afterwards, so that
// what two programs could read in two ways (smuggling) is refused, and every refusal has a status and words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/serve/http/http.h"
#include "tools/serve/http/limits.h"

namespace kedge::tools::serve {

struct HeadError {
  int status = 400;
  const char* code = "bad_request";
  std::string message;
};

// Looks at the bytes as they come, each once.
class HeadScanner {
 public:
  enum class State : uint8_t { kMore, kWhole, kWrong };

  explicit HeadScanner(const HttpLimits& limits) : limits_(&limits) {}
  // `bytes` is all there is since the head's beginning, and grows from call to call.
  State look(std::string_view bytes);
  size_t begin() const { return begin_; }  // of the request line: an empty line before it is skipped
  size_t size() const { return at_; }      // of the head with its last empty line, when it is whole
  const HeadError& error() const { return error_; }

 private:
  State wrong(int status, const char* code, std::string message);

  const HttpLimits* limits_;
  size_t at_ = 0;
  size_t begin_ = 0;
  size_t line_ = 0;         // where the line that is being read began
  bool in_fields_ = false;  // the request line is over
  HeadError error_;
};

struct RequestHead {
  HttpRequest request;  // but for what only the connection knows
  std::string target;   // as it came
  bool http10 = false;
  bool keep_alive = true;  // the client's wish
  bool chunked = false;
  bool expects_continue = false;
  std::optional<uint64_t> length;
};

// `text` is a whole head. An error leaves in `head` what was understood (its method and path, for the log).
std::optional<HeadError> parse_head(std::string_view text, const HttpLimits& limits, RequestHead& head);

// %41 and, in a query, +. False: a % without two digits, or something that decodes to a control character or no UTF-8.
bool percent_decode(std::string_view text, bool query, std::string& out);

}  // namespace kedge::tools::serve
