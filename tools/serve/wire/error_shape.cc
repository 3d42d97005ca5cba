#include "tools/serve/wire/error_shape.h"

#include <algorithm>

namespace kedge::tools::serve {
namespace {

bool overloaded(const ApiError& error) { return error.status == 429 && error.code == "queue_full"; }

// The words of OpenAI's and Anthropic's documentation.
std::string openai_type(const ApiError& error) {
  if (!error.type.empty()) return error.type;
  switch (error.status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    default:
      return error.status >= 500 ? "server_error" : "invalid_request_error";
  }
}

std::string anthropic_type(const ApiError& error) {
  if (overloaded(error)) return "overloaded_error";
  switch (error.status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 504:
      return "timeout_error";
    case 503:
    case 529:
      return "overloaded_error";
    default:
      return error.status >= 500 ? "api_error" : "invalid_request_error";
  }
}

Json openai_json(const ApiError& error) {
  Json inner = {{"message", error.message},
                {"type", openai_type(error)},
                {"param", error.param.empty() ? Json() : Json(error.param)},
                {"code", error.code.empty() ? Json() : Json(error.code)}};
  for (const auto& [key, value] : error.extra.items()) inner[key] = value;
  return {{"error", std::move(inner)}};
}

}  // namespace

ErrorShape error_shape(std::string_view path) {
  if (path.starts_with("/api/")) return ErrorShape::kOllama;
  if (path == "/v1/messages" || path.starts_with("/v1/messages/")) return ErrorShape::kAnthropic;
  return ErrorShape::kOpenAi;
}

Json error_json(ErrorShape shape, const ApiError& error, std::string_view request_id) {
  switch (shape) {
    case ErrorShape::kOllama:
      return {{"error", error.message}};
    case ErrorShape::kAnthropic: {
      Json inner = {{"type", anthropic_type(error)}, {"message", error.message}};
      for (const auto& [key, value] : error.extra.items()) inner[key] = value;
      Json out = {{"type", "error"}, {"error", std::move(inner)}};
      if (!request_id.empty()) out["request_id"] = request_id;
      return out;
    }
    default:
      return openai_json(error);
  }
}

int error_status(ErrorShape shape, const ApiError& error) {
  return shape == ErrorShape::kAnthropic && overloaded(error) ? 529 : error.status;
}

HttpAnswer error_answer(ErrorShape shape, const ApiError& error, std::string_view request_id) {
  HttpAnswer answer;
  answer.status = error_status(shape, error);
  answer.headers.emplace_back("content-type", "application/json");
  if (error.retry_after_ms > 0) {
    answer.headers.emplace_back("retry-after", std::to_string((error.retry_after_ms + 999) / 1000));
    answer.headers.emplace_back("retry-after-ms", std::to_string(error.retry_after_ms));
  } else {
    answer.headers.emplace_back("x-should-retry", "false");
  }
  answer.body = error_json(shape, error, request_id).dump() + "\n";
  return answer;
}

void send_error(HttpReply& reply, ErrorShape shape, const ApiError& error, std::string_view request_id) {
  HttpAnswer answer = error_answer(shape, error, request_id);
  reply.send(answer.status, std::move(answer.headers), std::move(answer.body));
}

}  // namespace kedge::tools::serve
