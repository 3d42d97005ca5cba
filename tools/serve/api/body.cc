#include "tools/serve/api/parts.h"

namespace kedge::tools::serve {

Answer<Json> json_body(const HttpRequest& request) {
  // curl -d calls it a form and raw clients say nothing; pages of other origins have been turned away before.
  const std::string_view type = request.header("content-type");
  if (type.starts_with("multipart/")) {
    return ApiError{.status = 415,
                    .code = "unsupported_media_type",
                    .message = "the body must be application/json, not '" + std::string(type) + "'"};
  }
  // Without either field there is no body, whatever was meant to be one (RFC 9112, 6.3).
  if (request.body.empty() && request.header("content-length").empty() && request.header("transfer-encoding").empty()) {
    return ApiError{.status = 411,
                    .code = "length_required",
                    .message = "the request has no body: it needs a content-length, or transfer-encoding: chunked"};
  }
  auto json = base::parse_json(request.body, "the body");
  if (!json.ok()) return ApiError{.status = 400, .code = "invalid_json", .message = json.error().message};
  if (!json->is_object()) {
    return bad_request(std::string("the body must be a JSON object, not ") + json->type_name());
  }
  return *std::move(json);
}

}  // namespace kedge::tools::serve
