#include "tools/store/http_get.h"

#include "tools/store/curl_request.h"

namespace kedge::tools::store {

Result<std::string> http_text(const std::string& url, size_t most, const HttpOptions& options) {
  std::string text;
  bool too_long = false;
  const CurlAnswer answer = with_tries(options, [&] {
    text.clear();
    const CurlRequest request{.url = url, .body = [&](const CurlAnswer&, std::string_view piece) {
                                too_long = text.size() + piece.size() > most;
                                if (!too_long) text += piece;
                                return !too_long;
                              }};
    return curl_perform(request, options);
  });
  if (too_long)
    return Error{ErrorCode::kCapacity, url + ": the answer is longer than " + std::to_string(most) + " bytes"};
  if (!answer.problem.empty() || answer.cancelled) return curl_error(url, answer);
  return text;
}

}  // namespace kedge::tools::store
