// The C interface: chat messages, from JSON through the model's template to text or tokens.
#include "engine/capi/handles.h"
#include "engine/chat_history.h"
#include "engine/chat_tokens.h"
#include "engine/marked_chat.h"
#include "kernels/base/json.h"

using namespace kedge::engine;
using namespace kedge::engine::capi;

namespace {

std::string dump(const Json& json) { return json.dump(); }

// Pictures and sounds are not something that can be read here, whatever a template would write in their place.
Status check_parts(const Json& content, const std::string& name) {
  if (!content.is_array()) return {};
  for (size_t i = 0; i < content.size(); ++i) {
    const auto found = content[i].is_object() ? content[i].find("type") : content[i].end();
    if (found == content[i].end() || !found->is_string()) continue;
    const auto& type = found->get_ref<const std::string&>();
    for (const char* kind : {"image", "audio", "video", "file", "input_"}) {
      if (!type.starts_with(kind)) continue;
      return Error{ErrorCode::kUnsupported, name + "[" + std::to_string(i) + "] is of the type '" + type.substr(0, 40) +
                                                "'; only text can be read"};
    }
  }
  return {};
}

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
  if (json.contains("content")) KEDGE_TRY(check_parts(json["content"], name + ".content"));
  if (!json.contains("content") && extra.empty()) return invalid(name + " has no content");
  if (!extra.empty()) m.extra_json = dump(extra);
  return m;
}

struct ChatRequest {
  Json sent;                   // the messages, without marks
  bool has_arguments = false;  // of calls
  std::vector<ChatMessage> messages;
  std::vector<ContentMark> marks;
  std::vector<Json> mark_fields;  // of each mark, its range aside
  std::string variables_json;
  bool add_generation_prompt = true;
  ChatEncodeOptions encode;
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
  KEDGE_ASSIGN(json, parse_json(text, "options"));
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
      KEDGE_TRY(read_flag(value, key, request.encode.allow_special));
    } else if (key == "exact_bytes") {
      KEDGE_TRY(read_flag(value, key, request.encode.exact_bytes));
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
      return invalid(
          "unknown chat option '" + key +
          "'; known are add_generation_prompt, allow_special, enable_thinking, exact_bytes, tools, now, variables");
    }
  }
  if (!variables.empty()) request.variables_json = dump(variables);
  return {};
}

// The marks of a text ("segments": [{"range": [begin, end], ...}]) beside it in `json`, which are not the template's
// business.
Status take_marks(Json& json, const char* text_key, ContentMark mark, const std::string& where, ChatRequest& request) {
  const auto found = json.find("segments");
  if (found == json.end()) return {};
  const std::string name = where + ".segments";
  const bool has_text = json.contains(text_key) && json[text_key].is_string();
  const size_t size = has_text ? json[text_key].get_ref<const std::string&>().size() : 0;
  if (!found->is_array()) return invalid(name + " is not an array");
  for (Json fields : *found) {
    const Json range = fields.is_object() && fields.contains("range") ? fields["range"] : Json();
    const bool pair =
        range.is_array() && range.size() == 2 && range[0].is_number_unsigned() && range[1].is_number_unsigned();
    if (!pair || range[0].get<size_t>() >= range[1].get<size_t>() || range[1].get<size_t>() > size) {
      return invalid(name + ": a range is not [begin, end) within the " + std::to_string(size) + " bytes of the " +
                     text_key + ": " + range.dump());
    }
    mark.begin = range[0].get<size_t>();
    mark.end = range[1].get<size_t>();
    request.marks.push_back(mark);
    fields.erase("range");
    request.mark_fields.push_back(std::move(fields));
  }
  json.erase("segments");
  return {};
}

// Those of a message's content, and of its parts when it is a list.
Status take_message_marks(Json& json, size_t message, ChatRequest& request) {
  const std::string name = "messages[" + std::to_string(message) + "]";
  KEDGE_TRY(take_marks(json, "content", {.message = message}, name, request));
  if (!json.contains("content") || !json["content"].is_array()) return {};
  Json& parts = json["content"];
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].is_object()) continue;
    KEDGE_TRY(take_marks(parts[i], "text", {.message = message, .part = static_cast<int32_t>(i)},
                         name + ".content[" + std::to_string(i) + "]", request));
  }
  return {};
}

// The kind of a message's tokens, by its role.
const char* kind_of(const std::string& role) {
  if (role == "system" || role == "developer") return "system";
  if (role == "assistant") return "generated";
  return role == "tool" ? "tool" : "user";
}

// Segments for kedge_session_add_segments.
Json segments_json(const ChatRequest& request, const MarkedRanges& ranges) {
  Json segments = Json::array();
  const auto add = [&](const TokenRange& range, const Json& fields) {
    Json segment = {{"range", {range.first, range.last}}};
    segment.update(fields);
    segments.push_back(std::move(segment));
  };
  for (size_t m = 0; m < ranges.messages.size(); ++m) {
    for (const TokenRange& range : ranges.messages[m]) add(range, {{"kind", kind_of(request.messages[m].role)}});
  }
  for (size_t i = 0; i < ranges.marks.size(); ++i) {
    for (const TokenRange& range : ranges.marks[i]) add(range, request.mark_fields[i]);
  }
  return segments;
}

Result<std::vector<ChatMessage>> messages_of(Json json, ArgumentForm form, bool* has_arguments = nullptr) {
  std::vector<ChatMessage> out;
  for (size_t i = 0; i < json.size(); ++i) {
    const std::string name = "messages[" + std::to_string(i) + "]";
    if (json[i].is_object()) {
      KEDGE_ASSIGN(any, set_arguments(json[i], name, form));
      if (has_arguments != nullptr) *has_arguments = *has_arguments || any;
    }
    KEDGE_ASSIGN(m, message(json[i], name));
    out.push_back(std::move(m));
  }
  return out;
}

Result<ChatRequest> read_request(std::string_view messages, std::string_view options) {
  ChatRequest request;
  KEDGE_ASSIGN(json, parse_json(messages, "messages"));
  if (!json.is_array()) return invalid("messages is not a JSON array");
  for (size_t i = 0; i < json.size(); ++i) {
    if (json[i].is_object()) KEDGE_TRY(take_message_marks(json[i], i, request));
  }
  KEDGE_ASSIGN(read, messages_of(json, ArgumentForm::kObject, &request.has_arguments));
  request.messages = std::move(read);
  if (request.has_arguments) request.sent = std::move(json);
  KEDGE_TRY(read_options(options, request));
  return request;
}

// Whether the template prints the arguments of calls as Python would: it expects their text. What it makes of another
// argument's value does not matter here.
bool prints_objects(const ChatTemplate& chat, const ChatRequest& request) {
  const auto probes = messages_of(request.sent, ArgumentForm::kProbe);
  if (!probes.ok()) return false;
  const auto text = chat.render(*probes, request.options());
  return text.ok() && text->find(kPrintedProbe) != std::string::npos;
}

// With arguments of calls as objects, or as texts where the template cannot do with objects.
Result<std::vector<TextSegment>> render(const ChatTemplate& chat, const ChatRequest& request) {
  auto parts = chat.render_segments(request.messages, request.options());
  if (!request.has_arguments || (parts.ok() && !prints_objects(chat, request))) return parts;
  KEDGE_ASSIGN(messages, messages_of(request.sent, ArgumentForm::kText));
  auto with_texts = chat.render_segments(messages, request.options());
  return with_texts.ok() ? std::move(with_texts) : std::move(parts);
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
    KEDGE_ASSIGN(parts, render(*chat, request));
    std::string rendered;
    for (const TextSegment& part : parts) rendered += part.text;
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
    KEDGE_ASSIGN(segments, render(*chat, request));
    KEDGE_ASSIGN(ids, encode_chat(model->model->tokenizer(), segments, request.encode));
    return give_ids(ids, tokens, n_tokens);
  });
}

kedge_status kedge_chat_tokenize_marked(const kedge_model* model, const char* messages, size_t messages_size,
                                        const char* options, size_t options_size, int32_t** tokens, size_t* n_tokens,
                                        char** segments, size_t* segments_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(tokens, n_tokens));
    KEDGE_TRY(clear_outputs(segments, segments_size));
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(messages_view, in_text(messages, messages_size, "messages"));
    KEDGE_ASSIGN(options_view, in_text(options, options_size, "options"));
    KEDGE_ASSIGN(chat, chat_template(*model->model));
    KEDGE_ASSIGN(request, read_request(messages_view, options_view));
    KEDGE_ASSIGN(parts, render(*chat, request));
    std::vector<size_t> begins;
    KEDGE_ASSIGN(ids, encode_chat(model->model->tokenizer(), parts, request.encode, &begins));
    KEDGE_ASSIGN(ranges, find_marked(parts, begins, request.messages.size(), request.marks));
    KEDGE_TRY(give_text(segments_json(request, ranges).dump(), segments, segments_size));
    return give_ids(ids, tokens, n_tokens);
  });
}

}  // extern "C"
