// Responses as OpenAI's clients read them.
#pragma once

#include <memory>

#include "tools/serve/http/http.h"
#include "tools/serve/job.h"

namespace kedge::tools::serve {

// What of the request stands in the response again.
struct ResponseForm {
  Json instructions;  // null or a text
  Json metadata = Json::object();
  Json max_output_tokens;
  Json user;
  Json tools = Json::array();
  Json tool_choice = "auto";
  bool parallel_calls = true;
  Json format = {{"type", "text"}};
  Json effort;  // null or a text
  bool logprobs = false;
};

std::unique_ptr<Sink> openai_responses_sink(const ResponseForm& form, bool stream, std::shared_ptr<HttpReply> reply);

}  // namespace kedge::tools::serve
