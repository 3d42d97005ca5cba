#include "router/audit/question.h"

#include <string>

namespace kedge::router::audit {

namespace {

// A content is a text, or a list of parts that have one.
std::string text_of(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  if (!content.is_array()) return text;
  for (const Json& part : content) {
    if (part.is_object() && part.contains("text") && part["text"].is_string()) text += part["text"].get<std::string>();
  }
  return text;
}

}  // namespace

Json asked_question(std::string_view request) {
  const auto parsed = parse_json(request, "the request");
  if (!parsed.ok() || !parsed->is_object()) return Json();
  Json question;
  if (!parsed->contains("messages") || !(*parsed)["messages"].is_array()) return question;
  for (const Json& message : (*parsed)["messages"]) {
    if (!message.is_object() || !message.contains("content")) continue;
    if (message.value("role", "") == "user") question = text_of(message["content"]);
  }
  return question;
}

}  // namespace kedge::router::audit
