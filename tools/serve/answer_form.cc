#include "tools/serve/answer_form.h"

#include <algorithm>
#include <cctype>

namespace kedge::tools::serve {

namespace {

// Tokens at the end of a prompt within which a marker of reasoning would stand.
constexpr size_t kTail = 32;

// "/response_format/json_schema/schema" of "response_format.json_schema.schema", "/tools/0/..." of "tools[0]...".
std::string pointer_of(const std::string& path) {
  std::string pointer = "/";
  for (const char c : path) {
    if (c == '.' || c == '[') {
      pointer += '/';
    } else if (c != ']') {
      pointer += c;
    }
  }
  return pointer;
}

void replace(std::string& text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
}

// Whether the prompt ends within reasoning: templates open it for models that always think.
bool reasoning_is_open(const kedge::Model& model, std::span<const int32_t> prompt, const std::string& begin) {
  const auto text = model.detokenize(prompt.last(std::min(kTail, prompt.size())), true);
  if (!text.ok()) return false;
  const auto trimmed = [](std::string_view s) {
    while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back())) != 0) s.remove_suffix(1);
    return s;
  };
  return trimmed(*text).ends_with(trimmed(begin));
}

// How the model reasons, as a constraint takes it; null: it does not.
Json reasoning_of(const Json& markers, bool open, const Form& form) {
  if (!markers.is_array() || markers.size() != 2) return {};
  Json reasoning = {{"begin", markers[size_t{0}]}, {"end", markers[size_t{1}]}, {"open", open}};
  if (form.reasoning_budget) reasoning["budget"] = *form.reasoning_budget;
  return reasoning;
}

}  // namespace

// The engine names places within its constraint; the client is told those of its request.
ApiError constraint_error(const kedge::Error& error, const Form& form) {
  ApiError out = library_error(error);
  if (error.code == KEDGE_UNSUPPORTED) out.code = "unsupported_constraint";
  if (error.code == KEDGE_INVALID_ARGUMENT) out.code = "invalid_constraint";
  out.param = form.path;
  for (size_t i = 0; i < form.tool_paths.size(); ++i) {
    const std::string own = "/chat/tools/" + std::to_string(i) + "/function/parameters";
    if (out.message.find(own) == std::string::npos) continue;
    replace(out.message, own, pointer_of(form.tool_paths[i]));
    out.param = form.tool_paths[i];
  }
  for (const char* own : {"/response/json_schema", "/json_schema"}) {
    if (form.path.empty() || out.message.find(own) == std::string::npos) continue;
    replace(out.message, own, pointer_of(form.path));
    out.param = form.path;
    break;
  }
  return out;
}

Answer<AnswerForm> answer_form(const Job& job, const Prompt& from, const kedge::Model& model,
                               std::span<const int32_t> prompt) {
  const Form& form = job.form;
  AnswerForm answer;
  Json constraint = form.constraint;
  if (!from.messages.is_null()) {
    const auto described = model.chat_format();
    if (!described.ok()) return library_error(described.error());
    const Json format = Json::parse(*described);
    if (!form.tools.empty() && !format.value("tools", false)) {
      return bad_request("'tools' cannot be called by this model: its chat template writes calls in no known form",
                         "tools");
    }
    const Json* markers = format.pointee("/reasoning");
    const bool thinks = markers != nullptr && markers->is_array() && markers->size() == 2;
    const bool open = thinks && reasoning_is_open(model, prompt, (*markers)[size_t{0}].get<std::string>());
    const Json* enabled = from.chat_options.pointee("/enable_thinking");
    const bool may_think = thinks && (open || enabled == nullptr || *enabled != false);
    const Json reasoning = may_think ? reasoning_of(*markers, open, form) : Json();
    Json reader = {{"split_reasoning", form.split_reasoning}, {"reasoning_open", open}};
    if (!form.tools.empty()) {
      reader["tools"] = form.tools;
      reader["tool_choice"] = form.tool_choice;
      reader["parallel_tool_calls"] = form.parallel_calls;
      Json calls = {{"chat", reader}, {"reasoning", Json()}};
      if (!constraint.is_null()) calls["response"] = constraint;
      constraint = std::move(calls);
    }
    if (!reasoning.is_null() && (!constraint.is_null() || form.reasoning_budget)) constraint["reasoning"] = reasoning;
    const Json* named = format.pointee("/format");
    if (thinks || (named != nullptr && named->is_string())) answer.reader = reader.dump();
  }
  if (constraint.is_null()) return answer;
  answer.constraint = constraint.dump();
  const auto checked = model.check_constraint(answer.constraint);
  if (!checked.ok()) return constraint_error(checked.error(), form);
  return answer;
}

}  // namespace kedge::tools::serve
