// POST /v1/completions: requests. A prompt is a text, tokens, or an array of either.
#include "tools/serve/wire/openai_completion.h"

#include <limits>

#include "tools/serve/wire/api.h"
#include "tools/serve/wire/fields.h"
#include "tools/serve/wire/output.h"

namespace kedge::tools::serve {

namespace {

constexpr size_t kMaxPrompts = 64;

bool is_tokens(const Json& json) { return json.is_array() && !json.empty() && json[size_t{0}].is_number(); }

Prompt prompt_of(const Json& given, const std::string& path, Members& in) {
  Prompt prompt;
  if (given.is_string()) {
    prompt.text = given.get<std::string>();
    if (prompt.text.empty()) in.fail(bad_request("'" + path + "' is empty", path));
    return prompt;
  }
  if (!is_tokens(given)) {
    in.fail(bad_request("'" + path + "' must be a string or an array of token ids", path));
    return prompt;
  }
  for (const Json& token : given) {
    if (!token.is_number_integer() || token < 0 || token > std::numeric_limits<int32_t>::max()) {
      in.fail(bad_request("'" + path + "' has " + token.dump() + ", which is no token id", path));
      return prompt;
    }
    prompt.tokens.push_back(token.get<int32_t>());
  }
  return prompt;
}

void read_prompts(Members& in, Job& job) {
  const Json* given = in.any("prompt");
  if (given == nullptr) return in.wrong("prompt", "is missing");
  if (!given->is_array() || is_tokens(*given)) {
    job.prompts.push_back(prompt_of(*given, "prompt", in));
    return;
  }
  if (given->empty()) return in.wrong("prompt", "is empty");
  if (given->size() > kMaxPrompts) {
    return in.wrong("prompt", "has " + std::to_string(given->size()) + " prompts, at most " +
                                  std::to_string(kMaxPrompts) + " are taken at once");
  }
  for (size_t i = 0; i < given->size() && in.ok(); ++i) {
    job.prompts.push_back(prompt_of((*given)[i], "prompt[" + std::to_string(i) + "]", in));
  }
}

}  // namespace

Answer<WireJob> read_openai_completion(const Json& body, const HttpRequest& /*request*/) {
  constexpr int kMaxTokens = 1 << 30;
  Members in(body, "");
  WireJob wire;
  Job& job = wire.job;
  OpenAiForm form;
  in.text("model", job.model);
  read_prompts(in, job);
  in.integer("n_predict", job.options.max_tokens, -1, kMaxTokens);
  in.integer("max_tokens", job.options.max_tokens, -1, kMaxTokens);
  in.integer("n", job.n, 1, kMaxChoices);
  int best_of = job.n;
  if (in.integer("best_of", best_of, 1, kMaxChoices) && best_of != job.n) {
    in.wrong("best_of", "other than 'n' is not offered");
  }
  in.flag("echo", job.echo);
  in.integer("logprobs", job.options.logprobs, 0, kMaxLogprobs);
  std::string suffix;
  if (in.text("suffix", suffix) && !suffix.empty()) in.wrong("suffix", "is not offered: texts are continued only");
  read_sampling(in, job);
  read_stop(in, "stop", job);
  read_logit_bias(in, job);
  read_identity(in, job);
  read_samplers(in, job);
  read_lora(in, job);
  read_constraints(in, job.form);
  for (const char* key : {"tools", "functions"}) {
    const Json* tools = in.array(key);
    if (tools != nullptr && !tools->empty()) in.wrong(key, "are called by chats: ask /v1/chat/completions");
  }
  in.flag("stream", wire.stream);
  read_stream_options(in, form.usage);
  read_hints(in);
  read_kedge(in, job);
  finish(in, job);
  if (job.n * job.prompts.size() > kMaxPrompts) {
    in.wrong("n", "times the prompts is over " + std::to_string(kMaxPrompts));
  }
  if (in.error()) return *in.error();
  form.choices = static_cast<size_t>(job.n) * job.prompts.size();
  form.logprobs = job.options.logprobs >= 0;
  const bool stream = wire.stream;
  wire.sink = [form, stream](std::shared_ptr<HttpReply> reply) {
    return openai_completion_sink(form, stream, std::move(reply));
  };
  return wire;
}

}  // namespace kedge::tools::serve
