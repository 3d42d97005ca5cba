// POST /v1/messages and /v1/messages/count_tokens: requests.
#include "tools/serve/wire/anthropic.h"

#include "tools/serve/wire/api.h"
#include "tools/serve/wire/fields.h"
#include "tools/serve/wire/output.h"

namespace kedge::tools::serve {

namespace {

// The text of a content: a string, or a list of text blocks.
std::string text_of(const Json& content, const std::string& path, Members& in) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  if (!content.is_array()) {
    in.fail(bad_request("'" + path + "' must be a string or an array of blocks", path));
    return text;
  }
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string here = path + "[" + std::to_string(i) + "]";
    Members m(content[i], here);
    std::string type;
    std::string piece;
    m.text("type", type);
    if (m.ok() && type != "text") {
      m.fail(bad_request("'" + here + "' is of type '" + type + "': this server reads text only", here));
    }
    if (m.ok() && !m.text("text", piece)) m.fail(bad_request("'" + here + "' has no 'text'", here));
    if (m.error()) in.fail(*m.error());
    if (i > 0) text += '\n';
    text += piece;
  }
  return text;
}

// Blocks of a turn as messages: results of tools become messages of their own, in front of what the user says.
class Turn {
 public:
  Turn(std::string role, Members& in, Json& messages) : role_(std::move(role)), in_(in), messages_(messages) {}

  void add(const Json& block, const std::string& here) {
    Members m(block, here);
    std::string type;
    m.text("type", type);
    if (type == "text") {
      std::string piece;
      if (!m.text("text", piece)) m.fail(bad_request("'" + here + "' has no 'text'", here));
      if (!text_.empty()) text_ += '\n';
      text_ += piece;
    } else if (type == "tool_use" && role_ == "assistant") {
      tool_use(m);
    } else if (type == "tool_result" && role_ == "user") {
      std::string id;
      m.text("tool_use_id", id);
      bool failed = false;
      if (m.flag("is_error", failed) && failed) in_.note(here + ".is_error");  // templates have no word for it
      const Json* content = m.any("content");
      const std::string said = content == nullptr ? "" : text_of(*content, here + ".content", in_);
      messages_.push_back({{"role", "tool"}, {"tool_call_id", id}, {"content", said}});
    } else if (type == "thinking" && role_ == "assistant") {
      std::string piece;
      m.text("thinking", piece);
      thinking_ += piece;
    } else if (m.ok() && type != "redacted_thinking") {
      m.fail(bad_request("'" + here + "' is of type '" + type + "': this server reads text only", here));
    }
    if (m.error()) in_.fail(*m.error());
  }

  void end() {
    if (text_.empty() && calls_.empty()) return;
    Json message = {{"role", role_}, {"content", text_}};
    if (!thinking_.empty()) message["reasoning_content"] = thinking_;
    if (!calls_.empty()) message["tool_calls"] = std::move(calls_);
    messages_.push_back(std::move(message));
  }

 private:
  void tool_use(Members& m) {
    std::string id;
    std::string name;
    m.text("id", id);
    m.text("name", name);
    const Json* input = m.object("input");
    calls_.push_back({{"id", id},
                      {"type", "function"},
                      {"function", {{"name", name}, {"arguments", input == nullptr ? Json::object() : *input}}}});
  }

  const std::string role_;
  Members& in_;
  Json& messages_;
  std::string text_;
  std::string thinking_;
  Json calls_ = Json::array();
};

Json read_turns(Members& in) {
  Json messages = Json::array();
  if (const Json* system = in.any("system")) {
    messages.push_back({{"role", "system"}, {"content", text_of(*system, "system", in)}});
  }
  const Json* given = in.array("messages");
  if (given == nullptr || given->empty()) {
    in.wrong("messages", given == nullptr ? "is missing" : "is empty");
    return messages;
  }
  for (size_t i = 0; i < given->size() && in.ok(); ++i) {
    const std::string path = "messages[" + std::to_string(i) + "]";
    Members m((*given)[i], path);
    std::string role;
    m.text("role", role);
    if (m.ok() && role != "user" && role != "assistant" && role != "system") {
      m.wrong("role", "is '" + role + "'; known are user and assistant");
    }
    const Json* content = m.any("content");
    if (m.ok() && content == nullptr) m.wrong("content", "is missing");
    if (m.error()) {
      in.fail(*m.error());
      break;
    }
    if (content->is_string()) {
      messages.push_back({{"role", role}, {"content", *content}});
      continue;
    }
    if (!content->is_array()) {
      in.fail(bad_request("'" + path + ".content' must be a string or an array of blocks", path + ".content"));
      break;
    }
    Turn turn(role, in, messages);
    for (size_t j = 0; j < content->size(); ++j) turn.add((*content)[j], path + ".content[" + std::to_string(j) + "]");
    turn.end();
  }
  return messages;
}

// Tools that clients bring with them; those that Anthropic's servers run, or know the schema of, are not there.
void read_tool_list(Members& in, Form& form) {
  const Json* tools = in.array("tools");
  if (tools == nullptr) return;
  for (size_t i = 0; i < tools->size() && in.ok(); ++i) {
    const std::string path = "tools[" + std::to_string(i) + "]";
    Members m((*tools)[i], path);
    std::string type = "custom";
    std::string name;
    m.text("type", type);
    m.text("name", name);
    const Json* description = m.any("description");
    const Json* schema = m.any("input_schema");
    m.known({"cache_control", "strict", "eager_input_streaming", "defer_loading", "input_examples", "allowed_callers"});
    if (m.error()) return in.fail(*m.error());
    if (type != "custom") {
      in.note(path + " (" + type + ")");
      continue;
    }
    for (const std::string& unknown : m.unknown()) in.note(unknown);
    add_tool(in, form, path, path + ".input_schema", name, description, schema);
  }
}

void read_anthropic_choice(Members& in, Form& form) {
  const Json* choice = in.object("tool_choice");
  if (choice == nullptr) return;
  Members m(*choice, "tool_choice");
  std::string type;
  std::string name;
  m.text("type", type);
  if (type == "auto" || type == "none") {
    form.tool_choice = type;
  } else if (type == "any") {
    form.tool_choice = "required";
  } else if (type == "tool" && m.text("name", name)) {
    form.tool_choice = named_tool(name);
  } else {
    m.wrong("type", "must be auto, any, none, or tool with a name");
  }
  bool one = false;
  if (m.flag("disable_parallel_tool_use", one)) form.parallel_calls = !one;
  if (m.error()) in.fail(*m.error());
}

// What an answer has to be, and how hard to think about it.
void read_output(Members& in, Job& job) {
  if (const Json* format = in.object("output_format")) read_format(in, *format, "output_format", job.form);
  const Json* output = in.object("output_config");
  if (output == nullptr) return;
  Members m(*output, "output_config");
  std::string effort;
  if (m.text("effort", effort)) set_effort(effort, job);
  if (const Json* format = m.object("format")) read_format(in, *format, "output_config.format", job.form);
  if (m.error()) in.fail(*m.error());
  for (const std::string& name : m.unknown()) in.note(name);
}

}  // namespace

Answer<WireJob> read_anthropic(const Json& body, const HttpRequest& request) {
  Members in(body, "");
  WireJob wire;
  Job& job = wire.job;
  in.text("model", job.model);
  Prompt prompt;
  prompt.chat_options = Json::object();
  prompt.messages = read_turns(in);
  job.prompts.push_back(std::move(prompt));
  if (const Json* thinking = in.object("thinking")) read_thinking(in, *thinking, job);
  const bool counts = request.path.ends_with("/count_tokens");
  if (!in.integer("max_tokens", job.options.max_tokens, 1, 1 << 30) && !counts) in.wrong("max_tokens", "is missing");
  read_stop(in, "stop_sequences", job);
  read_sampling(in, job);
  read_samplers(in, job);
  read_lora(in, job);
  read_tool_list(in, job.form);
  read_anthropic_choice(in, job.form);
  finish_tools(in, job);
  read_output(in, job);
  if (const Json* metadata = in.object("metadata")) {
    Members m(*metadata, "metadata");
    m.text("user_id", job.user);
    if (m.error()) in.fail(*m.error());
  }
  in.text("cache_salt", job.cache_salt);
  in.flag("stream", wire.stream);
  in.known({"service_tier", "cache_control", "betas", "context_management", "container"});
  read_kedge(in, job);
  finish(in, job);
  if (in.error()) return *in.error();
  const bool stream = wire.stream;
  wire.sink = [stream, id = request.id](std::shared_ptr<HttpReply> reply) {
    return anthropic_sink(stream, std::move(reply), id);
  };
  return wire;
}

}  // namespace kedge::tools::serve
