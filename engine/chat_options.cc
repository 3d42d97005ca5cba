#include "engine/chat_options.h"

#include <algorithm>

namespace kedge::engine {
namespace {

using base::Json;

constexpr size_t kMaxName = 256;  // bytes

Error invalid(const std::string& where, const std::string& problem) {
  return {ErrorCode::kInvalidArgument, where + ": " + problem};
}

// Names stand between markers, quotes and brackets of many forms.
bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) > ' ' &&
           std::string_view("\"'`<>()[]{}=,;\\\x7f").find(c) == std::string_view::npos;
  });
}

Result<ChatTool> read_tool(const Json& tool, const std::string& where) {
  if (!tool.is_object()) return invalid(where, "it is not an object");
  const auto type = tool.find("type");
  if (type != tool.end() && !(*type == "function")) {
    return Error{ErrorCode::kUnsupported, where + "/type: only tools of the type \"function\" can be called"};
  }
  const auto function = tool.find("function");
  if (function == tool.end() || !function->is_object()) return invalid(where + "/function", "it is not an object");
  const auto name = function->find("name");
  if (name == function->end() || !name->is_string()) return invalid(where + "/function/name", "it is not a string");
  ChatTool out{name->get<std::string>(), {}};
  if (!is_name(out.name)) {
    return invalid(where + "/function/name", "'" + out.name.substr(0, 60) +
                                                 "' has to be 1 to 256 characters without spaces, quotes and brackets");
  }
  const auto parameters = function->find("parameters");
  if (parameters == function->end() || parameters->is_null()) return out;
  if (!parameters->is_object()) return invalid(where + "/function/parameters", "it is no JSON schema of an object");
  out.parameters = *parameters;
  return out;
}

Status read_tools(const Json& tools, ChatReadOptions& out) {
  if (!tools.is_array()) return invalid("/tools", "it is not an array");
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string where = "/tools/" + std::to_string(i);
    KEDGE_ASSIGN(tool, read_tool(tools[i], where));
    const bool known =
        std::any_of(out.tools.begin(), out.tools.end(), [&](const ChatTool& t) { return t.name == tool.name; });
    if (known) return invalid(where + "/function/name", "'" + tool.name + "' is the name of another tool too");
    out.tools.push_back(std::move(tool));
  }
  return {};
}

Status read_choice(const Json& choice, ChatReadOptions& out) {
  if (choice == "auto") {
    out.choice = ToolChoice::kAuto;
  } else if (choice == "none") {
    out.choice = ToolChoice::kNone;
  } else if (choice == "required") {
    out.choice = ToolChoice::kRequired;
  } else {
    const Json* name = choice.pointee("/function/name");
    if (name == nullptr || !name->is_string()) {
      return invalid("/tool_choice", R"(it is neither "auto", "none", "required" nor {"type": "function", )"
                                     R"("function": {"name"}})");
    }
    out.choice = ToolChoice::kNamed;
    out.named = name->get<std::string>();
  }
  return {};
}

Status check_choice(const ChatReadOptions& options) {
  if (options.choice == ToolChoice::kRequired && options.tools.empty()) {
    return invalid("/tool_choice", "a call is required, and there are no tools");
  }
  const bool known = std::any_of(options.tools.begin(), options.tools.end(),
                                 [&](const ChatTool& t) { return t.name == options.named; });
  if (options.choice == ToolChoice::kNamed && !known) {
    return invalid("/tool_choice", "the tool '" + options.named + "' is not among tools");
  }
  return {};
}

}  // namespace

bool has_reasoning(std::string_view chat_template, const ChatFormat& format) {
  const auto mentions = [&](std::string_view marker) {
    marker = marker.substr(0, marker.find_last_not_of(" \t\r\n") + 1);
    return !marker.empty() && chat_template.find(marker) != chat_template.npos;
  };
  return mentions(format.reasoning_begin) || mentions(format.reasoning_end);
}

bool ends_in_reasoning(std::string_view prompt, const ChatFormat& format) {
  constexpr std::string_view kSpaces = " \t\r\n";
  std::string_view begin = format.reasoning_begin;
  begin = begin.substr(0, begin.find_last_not_of(kSpaces) + 1);
  prompt = prompt.substr(0, prompt.find_last_not_of(kSpaces) + 1);
  return !begin.empty() && prompt.ends_with(begin);
}

Result<ChatReadOptions> read_chat_options(const Json& json, const ChatFormat& format) {
  ChatReadOptions out;
  if (!json.is_object()) return invalid("/", "it is not a JSON object");
  const std::pair<const char*, bool*> flags[] = {{"parallel_tool_calls", &out.parallel},
                                                 {"split_reasoning", &out.split_reasoning},
                                                 {"reasoning_open", &out.reasoning_open}};
  for (const auto& [key, value] : json.items()) {
    const auto flag = std::find_if(std::begin(flags), std::end(flags), [&](const auto& f) { return key == f.first; });
    if (flag != std::end(flags)) {
      if (!value.is_boolean()) return invalid("/" + key, "it is not true or false");
      *flag->second = value.get<bool>();
    } else if (key == "tools") {
      if (!value.is_null()) KEDGE_TRY(read_tools(value, out));
    } else if (key == "tool_choice") {
      if (!value.is_null()) KEDGE_TRY(read_choice(value, out));
    } else if (key == "prompt") {
      if (!value.is_string()) return invalid("/prompt", "it is not a string");
      if (!json.contains("reasoning_open"))
        out.reasoning_open = ends_in_reasoning(value.get_ref<const std::string&>(), format);
    } else {
      return invalid("/" + key,
                     "no such option; known are tools, tool_choice, parallel_tool_calls, split_reasoning, "
                     "reasoning_open, prompt");
    }
  }
  KEDGE_TRY(check_choice(out));
  return out;
}

}  // namespace kedge::engine
