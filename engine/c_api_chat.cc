// The C interface: chat messages, from JSON through the model's template to text or tokens.
#include <nlohmann/json.hpp>

#include "engine/c_api.h"
#include "engine/chat_tokens.h"

using namespace kedge;
using namespace kedge::c_api;

namespace {

using Json = nlohmann::ordered_json;

// The parser recurses when a value is destroyed; what comes from outside is kept shallow.
constexpr int kMaxDepth = 64;

Status check_depth(std::string_view text, const char* name) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (depth > kMaxDepth) {
      return Error{ErrorCode::kCapacity, std::string(name) + ": JSON nested deeper than " + std::to_string(kMaxDepth)};
    }
  }
  return {};
}

Result<Json> parse(std::string_view text, const char* name) {
  KEDGE_TRY(check_depth(text, name));
  try {
    return Json::parse(text);
  } catch (const Json::exception& e) {
    return invalid(std::string(name) + " is not JSON: " + e.what());
  }
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::strict); }

Result<ChatMessage> message(const Json& json, const std::string& name) {
  if (!json.is_object()) return invalid(name + " is not an object");
  const auto role = json.find("role");
  if (role == json.end() || !role->is_string()) return invalid(name + ".role is not a string");
  ChatMessage m{.role = role->get<std::string>(), .content = {}, .extra_json = {}};
  Json extra = Json::object();
  for (const auto& [key, value] : json.items()) {
    if (key == "role") continue;
    if (key == "content" && value.is_string()) {
      m.content = value.get<std::string>();
    } else {
      extra[key] = value;
    }
  }
  if (!json.contains("content") && extra.empty()) return invalid(name + " has no content");
  if (!extra.empty()) m.extra_json = dump(extra);
  return m;
}

struct ChatRequest {
  std::vector<ChatMessage> messages;
  std::string variables_json;
  bool add_generation_prompt = true;
  bool allow_special = false;
  std::optional<int64_t> now;

  ChatOptions options() const { return {add_generation_prompt, variables_json, now}; }
};

Status read_flag(const Json& value, const std::string& key, bool& flag) {
  if (!value.is_boolean()) return invalid("chat option " + key + " is not true or false");
  flag = value.get<bool>();
  return {};
}

Status read_options(std::string_view text, ChatRequest& request) {
  if (text.empty()) return {};
  KEDGE_ASSIGN(json, parse(text, "options"));
  if (!json.is_object()) return invalid("options is not a JSON object");
  Json variables = Json::object();
  const auto add_variable = [&](const std::string& key, const Json& value) -> Status {
    if (variables.contains(key)) return invalid("chat variable " + key + " is given twice");
    variables[key] = value;
    return {};
  };
  for (const auto& [key, value] : json.items()) {
    if (key == "add_generation_prompt") {
      KEDGE_TRY(read_flag(value, key, request.add_generation_prompt));
    } else if (key == "allow_special") {
      KEDGE_TRY(read_flag(value, key, request.allow_special));
    } else if (key == "enable_thinking") {
      if (!value.is_boolean()) return invalid("chat option enable_thinking is not true or false");
      KEDGE_TRY(add_variable(key, value));
    } else if (key == "tools") {
      if (!value.is_array()) return invalid("chat option tools is not an array");
      KEDGE_TRY(add_variable(key, value));
    } else if (key == "now") {
      if (!value.is_number_integer()) return invalid("chat option now is not an integer");
      request.now = value.get<int64_t>();
    } else if (key == "variables") {
      if (!value.is_object()) return invalid("chat option variables is not an object");
      for (const auto& [name, v] : value.items()) KEDGE_TRY(add_variable(name, v));
    } else {
      return invalid("unknown chat option '" + key +
                     "'; known are add_generation_prompt, allow_special, enable_thinking, tools, now, variables");
    }
  }
  if (!variables.empty()) request.variables_json = dump(variables);
  return {};
}

Result<ChatRequest> read_request(std::string_view messages, std::string_view options) {
  ChatRequest request;
  KEDGE_ASSIGN(json, parse(messages, "messages"));
  if (!json.is_array()) return invalid("messages is not a JSON array");
  for (size_t i = 0; i < json.size(); ++i) {
    KEDGE_ASSIGN(m, message(json[i], "messages[" + std::to_string(i) + "]"));
    request.messages.push_back(std::move(m));
  }
  KEDGE_TRY(read_options(options, request));
  return request;
}

Result<const ChatTemplate*> chat_template(const Model& model) {
  if (model.chat_template() == nullptr) return Error{ErrorCode::kUnsupported, model.chat_template_error()};
  return model.chat_template();
}

}  // namespace

extern "C" {

kedge_status kedge_chat_render(const kedge_model* model, const char* messages, size_t messages_size,
                               const char* options, size_t options_size, char** text, size_t* text_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(text, "the output pointer"));
    KEDGE_TRY(not_null(text_size, "the output size"));
    *text = nullptr;
    *text_size = 0;
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(messages_view, in_text(messages, messages_size, "messages"));
    KEDGE_ASSIGN(options_view, in_text(options, options_size, "options"));
    KEDGE_ASSIGN(chat, chat_template(*model->model));
    KEDGE_ASSIGN(request, read_request(messages_view, options_view));
    KEDGE_ASSIGN(rendered, chat->render(request.messages, request.options()));
    return give_text(rendered, text, text_size);
  });
}

kedge_status kedge_chat_tokenize(const kedge_model* model, const char* messages, size_t messages_size,
                                 const char* options, size_t options_size, int32_t** tokens, size_t* n_tokens) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(tokens, "the output pointer"));
    KEDGE_TRY(not_null(n_tokens, "the output size"));
    *tokens = nullptr;
    *n_tokens = 0;
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(messages_view, in_text(messages, messages_size, "messages"));
    KEDGE_ASSIGN(options_view, in_text(options, options_size, "options"));
    KEDGE_ASSIGN(chat, chat_template(*model->model));
    KEDGE_ASSIGN(request, read_request(messages_view, options_view));
    KEDGE_ASSIGN(segments, chat->render_segments(request.messages, request.options()));
    KEDGE_ASSIGN(ids, encode_chat(model->model->tokenizer(), segments, request.allow_special));
    return give_ids(ids, tokens, n_tokens);
  });
}

}  // extern "C"
