// What every wire format gives the server: a reader of its requests, and sinks that write its answers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tools/serve/http/http.h"
#include "tools/serve/job.h"
#include "tools/serve/new_id.h"

namespace kedge::tools::serve {

struct WireJob {
  Job job;
  bool stream = false;
  std::function<std::unique_ptr<Sink>(std::shared_ptr<HttpReply>)> sink;
};

// A reader of request bodies. It knows the request's words, not the models.
using WireReader = Answer<WireJob> (*)(const Json& body, const HttpRequest& request);

Answer<WireJob> read_openai_chat(const Json& body, const HttpRequest& request);
Answer<WireJob> read_openai_completion(const Json& body, const HttpRequest& request);
Answer<WireJob> read_openai_responses(const Json& body, const HttpRequest& request);
Answer<WireJob> read_anthropic(const Json& body, const HttpRequest& request);
Answer<WireJob> read_ollama_chat(const Json& body, const HttpRequest& request);
Answer<WireJob> read_ollama_generate(const Json& body, const HttpRequest& request);

// The model ended its answer, or a stop string did.
bool ended_itself(const Finish& finish);
// "stop", "tool_calls", "length": OpenAI's words.
const char* openai_finish(const Finish& finish);
Json openai_usage(const Usage& usage);
// {"token", "logprob", "bytes", "top_logprobs"}; bytes where a token is no whole UTF-8.
Json openai_logprob(const TokenInfo& token);
// "x-kedge-model", "x-kedge-confidence", "x-kedge-record" and the content type, from an answer's member "kedge".
Fields kedge_headers(const Json& kedge);
// The build, and the model the answer came from: "kedge-0.1.0".
std::string fingerprint();

}  // namespace kedge::tools::serve
