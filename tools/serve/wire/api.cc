#include "tools/serve/wire/api.h"

#include "kernels/base/utf8.h"

namespace kedge::tools::serve {

bool ended_itself(const Finish& finish) {
  return finish.reason == KEDGE_FINISH_STOP_TOKEN || finish.reason == KEDGE_FINISH_STOP_STRING;
}

const char* openai_finish(const Finish& finish) {
  if (!ended_itself(finish)) return "length";  // a call may be cut off
  return finish.calls > 0 ? "tool_calls" : "stop";
}

Json openai_usage(const Usage& u) {
  return {{"prompt_tokens", u.prompt},
          {"completion_tokens", u.generated},
          {"total_tokens", u.prompt + u.generated},
          {"prompt_tokens_details", {{"cached_tokens", u.cached}}},
          {"completion_tokens_details", {{"reasoning_tokens", u.reasoning}}}};
}

namespace {

Json one(const TokenTop& t) {
  Json bytes = Json::array();
  for (const char c : t.piece) bytes.push_back(static_cast<unsigned>(static_cast<unsigned char>(c)));
  return {{"token", t.piece}, {"logprob", t.logprob}, {"bytes", bytes}};
}

}  // namespace

Json openai_logprob(const TokenInfo& token) {
  Json json = one(token.chosen);
  Json top = Json::array();
  for (const TokenTop& t : token.top) top.push_back(one(t));
  json["top_logprobs"] = std::move(top);
  return json;
}

Fields kedge_headers(const Json& kedge) {
  Fields headers = {{"content-type", "application/json"}};
  const auto add = [&](const char* name, const Json* value) {
    if (value == nullptr || value->is_null()) return;
    headers.emplace_back(name, value->is_string() ? value->get<std::string>() : value->dump());
  };
  add("x-kedge-model", kedge.pointee("/model"));
  add("x-kedge-confidence", kedge.pointee("/confidence"));
  add("x-kedge-record", kedge.pointee("/record/id"));
  return headers;
}

std::string fingerprint() { return "kedge-" + kedge::version(); }

}  // namespace kedge::tools::serve
