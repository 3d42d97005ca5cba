// Chat messages of a request.
#include <algorithm>
#include <array>

#include "tools/serve/wire/fields.h"

namespace kedge::tools::serve {

namespace {

constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant", "tool"};

// The text of a content that is a list of parts.
std::string joined(const Json& parts, const std::string& path, Members& in) {
  std::string text;
  size_t i = 0;
  for (const Json& part : parts) {
    const std::string here = path + "[" + std::to_string(i++) + "]";
    Members m(part, here);
    std::string type;
    std::string piece;
    m.text("type", type);
    if (m.ok() && type != "text" && type != "input_text" && type != "output_text") {
      m.fail(bad_request("'" + here + "' is of type '" + type + "': this server reads text only", here));
    }
    if (m.ok() && !m.text("text", piece)) m.fail(bad_request("'" + here + "' has no 'text'", here));
    if (m.error()) in.fail(*m.error());
    if (i > 1) text += '\n';
    text += piece;
  }
  return text;
}

// Arguments that are no JSON would make the template fail, or the model repeat them: told with their place. What is in
// `call` becomes an object.
void parse_arguments(Json& call, const std::string& path, Members& in) {
  const std::string here = path + ".arguments";
  const Json* arguments = call.is_object() ? call.pointee("/function/arguments") : nullptr;
  if (arguments == nullptr || (!arguments->is_string() && !arguments->is_object())) {
    return in.fail(bad_request("'" + here + "' must be a string of JSON", here));
  }
  if (arguments->is_object()) return;
  const auto text = arguments->get<std::string>();
  // What clients say of a call without arguments.
  const auto parsed = base::parse_json(text.empty() ? "{}" : text, "arguments");
  if (!parsed.ok()) return in.fail(bad_request("'" + here + "' is no JSON: " + parsed.error().message, here));
  if (!parsed->is_object()) {
    return in.fail(bad_request("'" + here + "' must be a JSON object, not " + std::string(parsed->type_name()), here));
  }
  call.make("/function/arguments") = *parsed;
}

Json tool_calls(const Json& calls, const std::string& path, Members& in) {
  Json read = calls;
  for (size_t i = 0; i < read.size(); ++i) {
    const std::string here = path + "[" + std::to_string(i) + "].function";
    const Json* name = read[i].is_object() ? read[i].pointee("/function/name") : nullptr;
    if (name == nullptr || !name->is_string()) in.fail(bad_request("'" + here + "' has no 'name'", here + ".name"));
    if (in.ok()) parse_arguments(read[i], here, in);
    if (!in.ok()) break;
    if (!read[i].contains("type")) read[i]["type"] = "function";
  }
  return read;
}

Json read_message(const Json& given, const std::string& path, Members& in) {
  Members m(given, path);
  std::string role;
  if (!m.text("role", role)) m.fail(bad_request("'" + path + "' has no 'role'", path + ".role"));
  if (m.ok() && std::ranges::find(kRoles, role) == kRoles.end()) {
    m.wrong("role", "is '" + role + "'; known are system, developer, user, assistant, tool");
  }
  Json message = {{"role", role == "developer" ? "system" : role}};
  const Json* calls = m.array("tool_calls");
  const Json* content = m.any("content");
  if (content == nullptr) {
    if (m.ok() && (calls == nullptr || calls->empty())) m.wrong("content", "is missing");
    message["content"] = "";
  } else if (content->is_string()) {
    message["content"] = *content;
  } else if (content->is_array()) {
    message["content"] = joined(*content, m.path_of("content"), m);
  } else {
    m.wrong("content", std::string("must be a string or an array of parts, not ") + content->type_name());
  }
  if (calls != nullptr && !calls->empty()) message["tool_calls"] = tool_calls(*calls, m.path_of("tool_calls"), m);
  for (const char* key : {"name", "tool_call_id", "reasoning_content"}) {
    std::string text;
    if (m.text(key, text)) message[key] = text;
  }
  std::string reasoning;
  if (m.text("reasoning", reasoning)) message["reasoning_content"] = reasoning;  // vLLM's word for it
  if (m.any("function_call") != nullptr) m.wrong("function_call", "is the older form: say 'tool_calls'");
  m.known({"refusal", "annotations", "audio", "id"});
  if (m.error()) in.fail(*m.error());
  for (const std::string& name : m.unknown()) in.note(name);
  return message;
}

}  // namespace

Json read_messages(Members& in, const char* key) {
  Json messages = Json::array();
  const Json* given = in.array(key);
  if (given == nullptr) {
    in.wrong(key, "is missing");
    return messages;
  }
  if (given->empty()) in.wrong(key, "is empty");
  size_t i = 0;
  for (const Json& message : *given) {
    messages.push_back(read_message(message, in.path_of(key) + "[" + std::to_string(i++) + "]", in));
    if (!in.ok()) break;
  }
  return messages;
}

}  // namespace kedge::tools::serve
