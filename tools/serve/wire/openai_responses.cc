// POST /v1/responses: requests. Nothing is stored: what refers to an earlier response is refused.
#include "tools/serve/wire/openai_responses.h"

#include "tools/serve/wire/api.h"
#include "tools/serve/wire/fields.h"
#include "tools/serve/wire/output.h"

namespace kedge::tools::serve {

namespace {

// The items of an input as chat messages. What the assistant thought, said and called in one turn is one message, as
// templates write it.
class Items {
 public:
  explicit Items(Members& in) : in_(in) {}

  void add(const Json& item, const std::string& here) {
    const Json* named = item.is_object() ? item.pointee("/type") : nullptr;
    const std::string type = named != nullptr && named->is_string() ? named->get<std::string>() : "message";
    if (type == "message") {
      message(item);
    } else if (type == "function_call") {
      call(item, here);
    } else if (type == "function_call_output") {
      output(item, here);
    } else if (type == "reasoning") {
      reasoning(item);
    } else {
      in_.fail(bad_request("'" + here + "' is of type '" + type + "': this server reads messages and calls", here));
    }
  }
  Json take() { return std::move(list_); }

 private:
  void message(const Json& item) {
    Json message = item;
    for (const char* key : {"type", "status", "phase"}) {
      if (message.is_object()) message.erase(key);
    }
    const bool assistant = message.is_object() && message.value("role", "") == "assistant";
    if (assistant && !thought_.empty()) message["reasoning_content"] = std::exchange(thought_, "");
    list_.push_back(std::move(message));
  }
  void call(const Json& item, const std::string& here) {
    const Json* name = item.pointee("/name");
    const Json* arguments = item.pointee("/arguments");
    const Json* id = item.pointee("/call_id");
    if (name == nullptr || arguments == nullptr || id == nullptr) {
      return in_.fail(bad_request("'" + here + "' needs 'call_id', 'name' and 'arguments'", here));
    }
    const bool goes_on = !list_.empty() && list_.back().is_object() && list_.back().value("role", "") == "assistant";
    if (!goes_on || !thought_.empty()) {
      list_.push_back({{"role", "assistant"}, {"content", ""}});
      if (!thought_.empty()) list_.back()["reasoning_content"] = std::exchange(thought_, "");
    }
    list_.back()["tool_calls"].push_back(
        {{"id", *id}, {"type", "function"}, {"function", {{"name", *name}, {"arguments", *arguments}}}});
  }
  void output(const Json& item, const std::string& here) {
    const Json* id = item.pointee("/call_id");
    const Json* output = item.pointee("/output");
    if (id == nullptr || output == nullptr) {
      return in_.fail(bad_request("'" + here + "' needs 'call_id' and 'output'", here));
    }
    list_.push_back({{"role", "tool"}, {"tool_call_id", *id}, {"content", *output}});
  }
  // What the next item of the assistant's began with; a summary is another text than what was thought.
  void reasoning(const Json& item) {
    const Json* content = item.pointee("/content");
    if (content == nullptr || !content->is_array()) return;
    for (const Json& part : *content) {
      if (part.is_object() && part.value("type", "") == "reasoning_text") thought_ += part.value("text", "");
    }
  }

  Members& in_;
  Json list_ = Json::array();
  std::string thought_;
};

Json messages_of(const Json& list, Members& in) {
  Items items(in);
  for (size_t i = 0; i < list.size() && in.ok(); ++i) items.add(list[i], "input[" + std::to_string(i) + "]");
  return items.take();
}

Json read_input(Members& in, const Json& instructions) {
  Json list = Json::array();
  if (instructions.is_string()) list.push_back({{"role", "system"}, {"content", instructions}});
  const Json* input = in.any("input");
  if (input == nullptr) {
    in.wrong("input", "is missing");
  } else if (input->is_string()) {
    list.push_back({{"role", "user"}, {"content", *input}});
  } else if (input->is_array()) {
    for (Json& message : messages_of(*input, in)) list.push_back(std::move(message));
  } else {
    in.wrong("input", "must be a string or an array of items");
  }
  if (!in.ok()) return list;
  const Json whole = {{"input", list}};
  Members m(whole, "");
  Json messages = read_messages(m, "input");
  if (m.error()) in.fail(*m.error());
  return messages;
}

// What needs a store of responses.
void refuse(Members& in) {
  for (const char* key : {"previous_response_id", "conversation", "prompt"}) {
    if (in.any(key) != nullptr) in.wrong(key, "is not offered: this server keeps no responses; send the whole input");
  }
  bool background = false;
  if (in.flag("background", background) && background) in.wrong("background", "is not offered");
  std::string truncation;
  if (in.text("truncation", truncation) && truncation != "disabled") {
    in.wrong("truncation", "other than 'disabled' is not offered: nothing is cut off unseen");
  }
}

// Functions stand flat in a list of tools; what OpenAI's servers run is skipped, and reported.
void read_tool_list(Members& in, Form& form) {
  const Json* tools = in.array("tools");
  if (tools == nullptr) return;
  for (size_t i = 0; i < tools->size() && in.ok(); ++i) {
    const std::string path = "tools[" + std::to_string(i) + "]";
    Members m((*tools)[i], path);
    std::string type;
    std::string name;
    m.text("type", type);
    if (m.ok() && type != "function") {
      in.note(path + " (" + type + ")");
      continue;
    }
    m.text("name", name);
    const Json* description = m.any("description");
    const Json* parameters = m.any("parameters");
    m.known({"strict"});
    if (m.error()) return in.fail(*m.error());
    for (const std::string& unknown : m.unknown()) in.note(unknown);
    add_tool(in, form, path, path + ".parameters", name, description, parameters);
  }
}

void read_text(Members& in, Form& form, Json& format) {
  const Json* text = in.object("text");
  if (text == nullptr) return;
  Members m(*text, "text");
  if (const Json* given = m.object("format")) {
    read_format(in, *given, "text.format", form);
    format = *given;
  }
  m.known({"verbosity"});
  if (m.error()) in.fail(*m.error());
  for (const std::string& name : m.unknown()) in.note(name);
}

}  // namespace

Answer<WireJob> read_openai_responses(const Json& body, const HttpRequest& /*request*/) {
  Members in(body, "");
  WireJob wire;
  Job& job = wire.job;
  ResponseForm form;
  in.text("model", job.model);
  std::string instructions;
  if (in.text("instructions", instructions)) form.instructions = instructions;
  Prompt prompt;
  prompt.chat_options = Json::object();
  prompt.messages = read_input(in, form.instructions);
  job.prompts.push_back(std::move(prompt));
  read_reasoning(in, job);
  if (const Json* effort = body.pointee("/reasoning/effort")) form.effort = *effort;
  read_tool_list(in, job.form);
  if (const Json* tools = in.array("tools")) form.tools = *tools;
  if (const Json* choice = in.any("tool_choice")) form.tool_choice = *choice;
  read_tool_choice(in, job.form);
  in.flag("parallel_tool_calls", job.form.parallel_calls);
  form.parallel_calls = job.form.parallel_calls;
  finish_tools(in, job);
  read_text(in, job.form, form.format);
  if (in.integer("max_output_tokens", job.options.max_tokens, 1, 1 << 30)) {
    form.max_output_tokens = job.options.max_tokens;
  }
  int top = 0;
  if (in.integer("top_logprobs", top, 0, kMaxLogprobs)) job.options.logprobs = top;
  if (const Json* metadata = in.object("metadata")) form.metadata = *metadata;
  read_sampling(in, job);
  read_stop(in, "stop", job);
  read_identity(in, job);
  if (!job.user.empty()) form.user = job.user;
  read_samplers(in, job);
  read_lora(in, job);
  read_constraints(in, job.form);
  refuse(in);
  in.flag("stream", wire.stream);
  in.known({"store", "include", "service_tier", "stream_options", "max_tool_calls", "prompt_cache_retention"});
  read_kedge(in, job);
  finish(in, job);
  if (in.error()) return *in.error();
  form.logprobs = job.options.logprobs >= 0;
  const bool stream = wire.stream;
  wire.sink = [form, stream](std::shared_ptr<HttpReply> reply) {
    return openai_responses_sink(form, stream, std::move(reply));
  };
  return wire;
}

}  // namespace kedge::tools::serve
