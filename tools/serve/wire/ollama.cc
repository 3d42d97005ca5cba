// POST /api/chat and /api/generate: requests.
#include "tools/serve/wire/ollama.h"

#include "tools/serve/wire/api.h"
#include "tools/serve/wire/fields.h"
#include "tools/serve/wire/output.h"

namespace kedge::tools::serve {

namespace {

void read_options(Members& in, Job& job) {
  const Json* options = in.object("options");
  if (options == nullptr) return;
  Members m(*options, "options");
  read_sampling(m, job);
  read_stop(m, "stop", job);
  int n = -1;
  if (m.integer("num_predict", n, -2, 1 << 30) && n >= 0) job.options.max_tokens = n;
  // How their server is laid out; ours is by its own configuration.
  m.known({"num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap", "numa", "low_vram"});
  for (const std::string& name : m.unknown()) in.note(name);
  if (m.error()) in.fail(*m.error());
}

// "json", or a schema.
void read_format_member(Members& in, const Json& format, Form& form) {
  if (format == "") return;
  if (format == "json") {
    form.constraint = {{"json_object", true}};
    form.path = "format";
  } else if (format.is_string()) {
    in.wrong("format", "is '" + format.get<std::string>() + "'; it may be json or a schema");
  } else {
    require_schema(in, format, "format", form);
  }
}

// Whether to think, or how hard: a word that the template knows.
void read_think(Members& in, const Json& think, Job& job) {
  if (think.is_boolean()) {
    job.prompts.front().chat_options["enable_thinking"] = think;
  } else if (think.is_string()) {
    job.prompts.front().chat_options["enable_thinking"] = true;
    set_effort(think.get<std::string>(), job);
  } else {
    in.wrong("think", "must be true, false, or a word: low, medium, high");
  }
}

void read_shared(Members& in, WireJob& wire, bool chat) {
  Job& job = wire.job;
  if (!in.text("model", job.model)) in.wrong("model", "is missing");
  job.model = without_tag(std::move(job.model));
  wire.stream = true;
  in.flag("stream", wire.stream);
  read_options(in, job);
  if (const Json* format = in.any("format")) read_format_member(in, *format, job.form);
  if (chat) {
    read_tools(in, job);
  } else if (const Json* tools = in.array("tools"); tools != nullptr && !tools->empty()) {
    in.wrong("tools", "are called by chats: ask /api/chat");
  }
  if (const Json* think = in.any("think")) read_think(in, *think, job);
  read_lora(in, job);
  in.known({"keep_alive", "truncate", "shift", "logprobs", "top_logprobs"});
  read_kedge(in, job);
  finish(in, job);
}

// Their images stand beside the content.
void refuse_images(Members& in, const Json& owner, const std::string& path) {
  const Json* images = owner.is_object() ? owner.pointee("/images") : nullptr;
  if (images != nullptr && !images->empty()) {
    in.fail(bad_request("'" + path + "' has images: this server reads text only", path));
  }
}

Answer<WireJob> with_sink(Members& in, WireJob wire, bool chat) {
  if (in.error()) return *in.error();
  wire.sink = [chat, stream = wire.stream, model = wire.job.model](std::shared_ptr<HttpReply> reply) {
    return ollama_sink(chat, stream, model, std::move(reply));
  };
  return wire;
}

}  // namespace

std::string without_tag(std::string model) {
  constexpr std::string_view kTag = ":latest";
  if (model.ends_with(kTag)) model.resize(model.size() - kTag.size());
  return model;
}

Answer<WireJob> read_ollama_chat(const Json& body, const HttpRequest& /*request*/) {
  Members in(body, "");
  WireJob wire;
  Prompt prompt;
  prompt.chat_options = Json::object();
  if (const Json* messages = in.array("messages")) {
    Json own = *messages;
    for (size_t i = 0; i < own.size(); ++i) {
      const std::string path = "messages[" + std::to_string(i) + "]";
      refuse_images(in, own[i], path + ".images");
      if (!own[i].is_object()) continue;
      own[i].erase("images");
      if (own[i].contains("thinking")) own[i]["reasoning_content"] = Json(own[i]["thinking"]);
      own[i].erase("thinking");
      if (own[i].contains("tool_name") && !own[i].contains("name")) own[i]["name"] = Json(own[i]["tool_name"]);
      own[i].erase("tool_name");
    }
    const Json whole = {{"messages", own}};
    Members m(whole, "");
    prompt.messages = read_messages(m, "messages");
    if (m.error()) in.fail(*m.error());
  } else {
    in.wrong("messages", "is missing");
  }
  wire.job.prompts.push_back(std::move(prompt));
  read_shared(in, wire, true);
  return with_sink(in, std::move(wire), true);
}

Answer<WireJob> read_ollama_generate(const Json& body, const HttpRequest& /*request*/) {
  Members in(body, "");
  WireJob wire;
  Prompt prompt;
  prompt.chat_options = Json::object();
  std::string text;
  std::string system;
  bool raw = false;
  in.text("prompt", text);
  in.text("system", system);
  in.flag("raw", raw);
  refuse_images(in, body, "images");
  in.known({"images"});
  for (const char* key : {"suffix", "template", "context"}) {
    const Json* given = in.any(key);
    if (given != nullptr && !given->empty() && *given != "") in.wrong(key, "is not offered");
  }
  if (text.empty()) in.wrong("prompt", "is missing");
  if (raw) {
    prompt.text = text;
  } else {
    prompt.messages = Json::array();
    if (!system.empty()) prompt.messages.push_back({{"role", "system"}, {"content", system}});
    prompt.messages.push_back({{"role", "user"}, {"content", text}});
  }
  wire.job.prompts.push_back(std::move(prompt));
  read_shared(in, wire, false);
  return with_sink(in, std::move(wire), false);
}

}  // namespace kedge::tools::serve
