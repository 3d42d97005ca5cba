#include "engine/chat_history.h"

namespace kedge::engine {
namespace {

using base::Json;

Result<Json> in_form(const Json& arguments, const std::string& name, ArgumentForm form) {
  const auto invalid = [&](const std::string& problem) { return Error{ErrorCode::kInvalidArgument, name + problem}; };
  Json object = arguments;
  if (arguments.is_string()) {
    const auto& text = arguments.get_ref<const std::string&>();
    object = Json::object();
    if (text.find_first_not_of(" \t\r\n") != text.npos) {
      auto parsed = base::parse_json(text, "the text");
      if (!parsed.ok()) return invalid(" is a text that is no JSON: " + parsed.error().message);
      object = *std::move(parsed);
    }
  }
  if (!object.is_object()) return invalid(std::string(" is no JSON object (") + object.type_name() + ")");
  if (form == ArgumentForm::kProbe) return Json{{"kedge_argument", 0}};
  if (form == ArgumentForm::kText && arguments.is_string()) return arguments;
  return form == ArgumentForm::kText ? Json(object.dump()) : object;
}

}  // namespace

Result<bool> set_arguments(Json& message, const std::string& name, ArgumentForm form) {
  const auto calls = message.find("tool_calls");
  if (calls == message.end() || !calls->is_array()) return false;
  bool any = false;
  for (size_t i = 0; i < calls->size(); ++i) {
    Json& call = (*calls)[i];
    if (!call.is_object()) continue;
    const bool nested = call.contains("function") && call["function"].is_object();
    Json& function = nested ? call["function"] : call;
    if (!function.contains("arguments") || function["arguments"].is_null()) continue;
    const std::string path =
        name + ".tool_calls[" + std::to_string(i) + "]" + (nested ? ".function" : "") + ".arguments";
    KEDGE_ASSIGN(arguments, in_form(function["arguments"], path, form));
    function["arguments"] = std::move(arguments);
    any = true;
  }
  return any;
}

}  // namespace kedge::engine
