// POST /v1/chat/completions: requests.
#include "tools/serve/wire/openai_chat.h"

#include "tools/serve/wire/api.h"
#include "tools/serve/wire/fields.h"
#include "tools/serve/wire/output.h"

namespace kedge::tools::serve {

namespace {

constexpr int kMaxTokens = 1 << 30;

void read_lengths(Members& in, Job& job) {
  in.integer("n_predict", job.options.max_tokens, -1, kMaxTokens);
  in.integer("max_tokens", job.options.max_tokens, -1, kMaxTokens);
  in.integer("max_completion_tokens", job.options.max_tokens, -1, kMaxTokens);
  in.integer("n", job.n, 1, kMaxChoices);
}

void read_logprobs(Members& in, Job& job) {
  bool wanted = false;
  int top = 0;
  in.flag("logprobs", wanted);
  const bool counted = in.integer("top_logprobs", top, 0, kMaxLogprobs);
  if (in.integer("n_probs", top, 0, kMaxLogprobs) && top > 0) wanted = true;
  if (counted && top > 0 && !wanted) in.wrong("top_logprobs", "needs 'logprobs': true");
  if (wanted) job.options.logprobs = top;
}

// What templates are given beside the messages.
Json read_template_options(Members& in) {
  Json options = Json::object();
  if (const Json* variables = in.object("chat_template_kwargs")) {
    Json rest = Json::object();
    for (const Json::Member& m : variables->items()) {
      if (m.key == "enable_thinking" && m.value.is_boolean()) {
        options["enable_thinking"] = m.value;
      } else {
        rest[m.key] = m.value;
      }
    }
    if (!rest.empty()) options["variables"] = rest;
  }
  bool opening = true;
  if (in.flag("add_generation_prompt", opening)) options["add_generation_prompt"] = opening;
  return options;
}

}  // namespace

Answer<WireJob> read_openai_chat(const Json& body, const HttpRequest& /*request*/) {
  Members in(body, "");
  WireJob wire;
  Job& job = wire.job;
  OpenAiForm form;
  in.text("model", job.model);
  Prompt prompt;
  prompt.messages = read_messages(in, "messages");
  prompt.chat_options = read_template_options(in);
  job.prompts.push_back(std::move(prompt));
  read_lengths(in, job);
  read_logprobs(in, job);
  read_sampling(in, job);
  read_stop(in, "stop", job);
  read_logit_bias(in, job);
  read_identity(in, job);
  read_samplers(in, job);
  read_lora(in, job);
  read_constraints(in, job.form);
  read_tools(in, job);
  read_reasoning(in, job);
  in.flag("return_progress", form.progress);
  in.flag("stream", wire.stream);
  read_stream_options(in, form.usage);
  read_hints(in);
  read_kedge(in, job);
  finish(in, job);
  if (in.error()) return *in.error();
  form.choices = static_cast<size_t>(job.n);
  form.logprobs = job.options.logprobs >= 0;
  const bool stream = wire.stream;
  wire.sink = [form, stream](std::shared_ptr<HttpReply> reply) {
    return openai_chat_sink(form, stream, std::move(reply));
  };
  return wire;
}

}  // namespace kedge::tools::serve
