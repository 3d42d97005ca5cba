#include "router/ask_request.h"

#include "kernels/base/json_object.h"

namespace kedge::router {
namespace {

// A text, or a list of parts {"type": "text", "text"}, whose texts are put together.
Status read_content(JsonObject& m, std::string& content) {
  const Json* given = m.find("content");
  if (given == nullptr || !given->is_array()) return m.text("content", content);
  for (size_t i = 0; i < given->size(); ++i) {
    KEDGE_ASSIGN(part, JsonObject::of((*given)[i], m.name() + ".content[" + std::to_string(i) + "]"));
    std::string type;
    std::string text;
    KEDGE_TRY(part.text("type", type));
    if (type != "text") return part.wrong("type", "is '" + type + "'; the models read parts of type text only");
    KEDGE_TRY(part.text("text", text));
    KEDGE_TRY(part.finish({"text"}));
    content += text;
  }
  return {};
}

// What else a message may have joins it as it came: templates know how calls are written.
Status read_extra(JsonObject& m, ChatMessage& message) {
  Json extra = Json::object();
  for (const char* key : {"tool_call_id", "name", "reasoning_content"}) {
    std::string text;
    KEDGE_TRY(m.text(key, text));
    if (!text.empty()) extra[key] = text;
  }
  if (const Json* calls = m.find("tool_calls")) {
    if (!calls->is_array()) return m.wrong("tool_calls", "is not a list of calls");
    if (!calls->empty()) extra["tool_calls"] = *calls;
  }
  if (!extra.empty()) message.extra_json = extra.dump();
  return {};
}

Status read_messages(JsonObject& o, AskRequest& request) {
  std::string question;
  KEDGE_TRY(o.text("question", question));
  const Json* list = o.find("messages");
  if ((list == nullptr) == question.empty()) {
    return o.wrong("messages", "and question: exactly one of them has to be given");
  }
  if (list == nullptr) {
    request.messages.push_back({.role = "user", .content = std::move(question), .extra_json = {}});
    return {};
  }
  if (!list->is_array() || list->empty()) return o.wrong("messages", "is not a list of messages");
  for (const Json& item : *list) {
    KEDGE_ASSIGN(m, JsonObject::of(item, "request.messages[" + std::to_string(request.messages.size()) + "]"));
    ChatMessage message;
    KEDGE_TRY(m.text("role", message.role));
    KEDGE_TRY(read_content(m, message.content));
    KEDGE_TRY(read_extra(m, message));
    KEDGE_TRY(m.finish());
    if (message.role.empty()) return m.wrong("role", "is missing");
    request.messages.push_back(std::move(message));
  }
  const std::string& last = request.messages.back().role;
  if (last != "user" && last != "tool") return o.wrong("messages", "does not end with a user's message or a tool's");
  return {};
}

Status read_tools(JsonObject& o, AskRequest& request) {
  const Json* tools = o.find("tools");
  if (tools != nullptr) {
    if (!tools->is_array()) return o.wrong("tools", "is not a list of functions");
    for (size_t i = 0; i < tools->size(); ++i) {
      const Json* name = (*tools)[i].is_object() ? (*tools)[i].pointee("/function/name") : nullptr;
      if (name == nullptr || !name->is_string()) {
        return o.wrong("tools", "has an element " + std::to_string(i) +
                                    " that is no {\"type\": \"function\", "
                                    "\"function\": {\"name\", \"parameters\"}}");
      }
    }
    if (!tools->empty()) request.tools = *tools;
  }
  if (const Json* choice = o.find("tool_choice")) {
    const Json* named = choice->pointee("/function/name");
    const bool word = *choice == "auto" || *choice == "none" || *choice == "required";
    if (!word && (named == nullptr || !named->is_string())) {
      return o.wrong("tool_choice",
                     "is none of auto, none, required, {\"type\": \"function\", \"function\": {\"name\"}}");
    }
    request.tool_choice = *choice;
  }
  return o.flag("parallel_tool_calls", request.parallel_calls);
}

Status read_evidence(JsonObject& o, AskRequest& request) {
  const Json* list = o.find("evidence");
  if (list == nullptr) return {};
  if (!list->is_array()) return o.wrong("evidence", "is not a list of passages");
  for (const Json& item : *list) {
    KEDGE_ASSIGN(e, JsonObject::of(item, "request.evidence[" + std::to_string(request.evidence.size()) + "]"));
    Evidence passage;
    KEDGE_TRY(e.text("id", passage.id));
    KEDGE_TRY(e.text("text", passage.text));
    KEDGE_TRY(e.text("source", passage.source));
    KEDGE_TRY(e.finish());
    if (passage.id.empty()) return e.wrong("id", "is missing");
    request.evidence.push_back(std::move(passage));
  }
  return {};
}

Status read_grounding(JsonObject& o, AskRequest& request) {
  std::string mode;
  KEDGE_TRY(o.text("grounding", mode));
  KEDGE_TRY(o.text("index", request.index));
  if (mode == "always" || (mode.empty() && !request.index.empty())) {
    request.grounding = Grounding::kAlways;
  } else if (mode == "weak") {
    request.grounding = Grounding::kWeak;
  } else if (!mode.empty() && mode != "never") {
    return o.wrong("grounding", "'" + mode + "' is none of never, weak, always");
  }
  return {};
}

template <class T>
Status optional_number(JsonObject& o, const char* key, std::optional<T>& value, T low, T high) {
  if (o.find(key) == nullptr) return {};
  T given = low;
  if constexpr (std::is_same_v<T, int>) {
    KEDGE_TRY(o.integer(key, given, low, high));
  } else {
    KEDGE_TRY(o.number(key, given, low, high));
  }
  value = given;
  return {};
}

}  // namespace

Result<AskRequest> parse_ask_request(std::string_view text) {
  KEDGE_ASSIGN(o, JsonObject::parse(text, "request"));
  AskRequest r;
  KEDGE_TRY(read_messages(o, r));
  KEDGE_TRY(read_evidence(o, r));
  KEDGE_TRY(read_grounding(o, r));
  KEDGE_TRY(o.flag("allow_special", r.allow_special));
  KEDGE_TRY(o.text("model", r.model));
  KEDGE_TRY(optional_number(o, "min_confidence", r.min_confidence, 0.0, 1.0));
  KEDGE_TRY(optional_number(o, "deadline_s", r.deadline_s, 0.0, 86400.0));
  KEDGE_TRY(optional_number(o, "max_attempts", r.max_attempts, 1, 64));
  if (bool abstain = true; o.find("abstain") != nullptr) {
    KEDGE_TRY(o.flag("abstain", abstain));
    r.abstain = abstain;
  }
  KEDGE_TRY(o.number("temperature", r.temperature, 0, 100));
  int64_t seed = 0;
  KEDGE_TRY(o.integer("seed", seed, 0, int64_t{1} << 53));
  r.seed = static_cast<uint64_t>(seed);
  KEDGE_TRY(o.integer("max_tokens", r.max_tokens, 1, 1 << 24));
  if (const Json* schema = o.find("schema")) r.schema = *schema;
  if (const Json* constraint = o.find("constraint")) {
    if (!constraint->is_object()) return o.wrong("constraint", "is not an object");
    r.constraint = *constraint;
  }
  KEDGE_TRY(read_tools(o, r));
  KEDGE_TRY(o.text("pattern", r.pattern));
  KEDGE_TRY(o.text("conversation", r.conversation));
  KEDGE_TRY(o.text("key", r.key));
  KEDGE_TRY(o.flag("stream", r.stream));
  KEDGE_TRY(o.flag("progress", r.progress));
  KEDGE_TRY(o.flag("record", r.record));
  KEDGE_TRY(o.flag("compare", r.compare));
  KEDGE_TRY(o.finish());
  if (r.question().find_first_not_of(" \t\r\n") == std::string::npos) {
    return o.wrong("messages", "end with an empty question");
  }
  if (r.stream && r.compare) return o.wrong("stream", "and compare: nobody could tell whose text an event has");
  r.json = text;
  if (!r.tools.is_null() && (!r.evidence.empty() || r.grounding != Grounding::kNever)) {
    return o.wrong("tools", "and passages: an answer from passages calls nothing");
  }
  if (!r.evidence.empty() && r.grounding != Grounding::kNever) {
    return o.wrong("evidence", "and grounding: passages are either given or retrieved");
  }
  return r;
}

}  // namespace kedge::router
