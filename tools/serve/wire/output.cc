#include "tools/serve/wire/output.h"

#include <algorithm>
#include <array>

#include "kernels/base/json_object.h"

namespace kedge::tools::serve {

namespace {

constexpr int kMaxBudget = 1 << 30;
constexpr size_t kMaxChoiceTexts = 4096;

void constrain(Members& in, const std::string& path, const char* kind, Json value, Form& form) {
  if (!form.constraint.is_null()) {
    in.fail(bad_request("'" + path + "' and '" + form.path + "' both say what the answer has to be: give one", path));
    return;
  }
  form.constraint = {{kind, std::move(value)}};
  form.path = path;
}

void require_text(Members& m, const char* key, const char* kind, Form& form, Members& in) {
  std::string text;
  if (m.text(key, text) && !text.empty()) constrain(in, m.path_of(key), kind, text, form);
}

void require_choice(Members& m, const char* key, Form& form, Members& in) {
  std::vector<std::string> texts;
  if (!m.texts(key, texts, kMaxChoiceTexts)) return;
  if (texts.empty()) return m.wrong(key, "is empty: no answer would be one of its texts");
  constrain(in, m.path_of(key), "choice", texts, form);
}

// A schema, or a text of one (vLLM's).
void require_schema_or_text(Members& m, const char* key, Form& form, Members& in) {
  const Json* schema = m.any(key);
  if (schema == nullptr) return;
  if (!schema->is_string()) return require_schema(in, *schema, m.path_of(key), form);
  const auto parsed = base::parse_json(schema->get<std::string>(), key);
  if (!parsed.ok()) return m.wrong(key, "is no JSON: " + parsed.error().message);
  require_schema(in, *parsed, m.path_of(key), form);
}

void json_object(Members& in, const std::string& path, Form& form) {
  constrain(in, path, "json_object", Json(true), form);
}

// vLLM's newer member.
void read_structured_outputs(Members& in, Form& form) {
  const Json* given = in.object("structured_outputs");
  if (given == nullptr) return;
  Members m(*given, in.path_of("structured_outputs"));
  require_schema_or_text(m, "json", form, in);
  require_text(m, "regex", "regex", form, in);
  require_text(m, "grammar", "grammar", form, in);
  require_choice(m, "choice", form, in);
  bool object = false;
  if (m.flag("json_object", object) && object) json_object(in, m.path_of("json_object"), form);
  if (m.any("structural_tag") != nullptr) m.wrong("structural_tag", "is not offered: give a grammar, or tools");
  if (m.error()) in.fail(*m.error());
  for (const std::string& name : m.unknown()) in.note(name);
}

}  // namespace

void require_schema(Members& in, const Json& schema, const std::string& path, Form& form) {
  if (!schema.is_object() && !schema.is_boolean()) {
    return in.fail(
        bad_request("'" + path + "' must be a JSON schema, an object, not " + std::string(schema.type_name()), path));
  }
  constrain(in, path, "json_schema", schema, form);
}

void read_format(Members& in, const Json& format, const std::string& path, Form& form) {
  Members m(format, path);
  std::string type;
  if (!m.text("type", type)) m.wrong("type", "is missing");
  m.known({"name", "description", "strict", "json_schema", "schema"});
  if (type == "json_schema" || (type == "json_object" && m.any("schema") != nullptr)) {
    const Json* nested = m.object("json_schema");
    const std::string inner_path = nested == nullptr ? path : m.path_of("json_schema");
    Members inner(nested == nullptr ? format : *nested, inner_path);
    const Json* schema = inner.any("schema");
    if (schema == nullptr) {
      inner.wrong("schema", "is missing");
    } else {
      require_schema(in, *schema, inner.path_of("schema"), form);
    }
    if (inner.error()) m.fail(*inner.error());
  } else if (type == "json_object") {
    json_object(in, path, form);
  } else if (type == "regex") {
    require_text(m, m.any("pattern") != nullptr ? "pattern" : "regex", "regex", form, in);
  } else if (type == "grammar") {
    require_text(m, "grammar", "grammar", form, in);
  } else if (type != "text" && m.ok()) {
    m.wrong("type", "is '" + type + "'; known are text, json_object, json_schema, regex and grammar");
  }
  if (m.error()) in.fail(*m.error());
  for (const std::string& name : m.unknown()) in.note(name);
}

void read_constraints(Members& in, Form& form) {
  if (const Json* format = in.object("response_format")) read_format(in, *format, in.path_of("response_format"), form);
  require_text(in, "grammar", "grammar", form, in);
  if (const Json* schema = in.any("json_schema")) require_schema(in, *schema, in.path_of("json_schema"), form);
  for (const char* key : {"regex", "guided_regex"}) require_text(in, key, "regex", form, in);
  require_schema_or_text(in, "guided_json", form, in);
  require_text(in, "guided_grammar", "grammar", form, in);
  for (const char* key : {"choice", "guided_choice"}) require_choice(in, key, form, in);
  read_structured_outputs(in, form);
}

Json named_tool(const std::string& name) { return {{"type", "function"}, {"function", {{"name", name}}}}; }

void add_tool(Members& in, Form& form, const std::string& path, const std::string& schema_path, const std::string& name,
              const Json* description, const Json* parameters) {
  if (name.empty()) return in.fail(bad_request("'" + path + "' has no name", path));
  for (const Json& tool : form.tools) {
    if (tool["function"]["name"] == name) {
      return in.fail(bad_request("'" + path + "' is a second '" + name + "'", path));
    }
  }
  if (parameters != nullptr && !parameters->is_object()) {
    return in.fail(bad_request("'" + schema_path + "' must be a JSON schema, an object", schema_path));
  }
  Json function = {{"name", name}};
  if (description != nullptr) function["description"] = *description;
  function["parameters"] =
      parameters != nullptr ? *parameters : Json{{"type", "object"}, {"properties", Json::object()}};
  form.tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  form.tool_paths.push_back(schema_path);
}

namespace {

void read_tool(Members& in, const Json& tool, const std::string& path, Form& form) {
  Members m(tool, path);
  std::string type = "function";
  m.text("type", type);
  if (m.ok() && type != "function") {
    m.wrong("type", "is '" + type + "': this server calls functions");
  }
  const Json* function = m.object("function");
  if (m.ok() && function == nullptr) m.wrong("function", "is missing");
  if (m.error()) return in.fail(*m.error());
  Members f(*function, m.path_of("function"));
  std::string name;
  f.text("name", name);
  const Json* description = f.any("description");
  const Json* parameters = f.any("parameters");
  f.known({"strict"});  // arguments always obey their schema
  if (f.error()) return in.fail(*f.error());
  for (const Members* members : {&m, &f}) {
    for (const std::string& unknown : members->unknown()) in.note(unknown);
  }
  add_tool(in, form, path, f.path_of("parameters"), name, description, parameters);
}

}  // namespace

void read_tool_choice(Members& in, Form& form) {
  const Json* choice = in.any("tool_choice");
  if (choice == nullptr) return;
  constexpr std::array<std::string_view, 3> kWords = {"auto", "none", "required"};
  if (choice->is_string()) {
    const auto word = choice->get<std::string>();
    if (std::ranges::find(kWords, word) == kWords.end()) {
      return in.wrong("tool_choice", "is '" + word + "'; known are auto, none, required, and a function by its name");
    }
    form.tool_choice = word;
    return;
  }
  const Json* name = choice->pointee("/function/name");
  if (name == nullptr) name = choice->pointee("/name");  // as Responses has it
  const Json* type = choice->pointee("/type");
  if (type == nullptr || *type != "function" || name == nullptr || !name->is_string()) {
    return in.wrong("tool_choice", "must be auto, none, required, or {\"type\": \"function\", with a name}");
  }
  form.tool_choice = named_tool(name->get<std::string>());
}

void read_tools(Members& in, Job& job) {
  Form& form = job.form;
  if (const Json* tools = in.array("tools")) {
    for (size_t i = 0; i < tools->size(); ++i) {
      read_tool(in, (*tools)[i], in.path_of("tools") + "[" + std::to_string(i) + "]", form);
    }
  }
  read_tool_choice(in, form);
  in.flag("parallel_tool_calls", form.parallel_calls);
  const Json* functions = in.array("functions");
  if (functions != nullptr && !functions->empty()) in.wrong("functions", "is the older form: give them as 'tools'");
  const Json* call = in.any("function_call");
  if (call != nullptr && *call != "none" && *call != "auto") {
    in.wrong("function_call", "is the older form: say 'tool_choice'");
  }
  finish_tools(in, job);
}

void finish_tools(Members& in, Job& job) {
  Form& form = job.form;
  const Json* name = form.tool_choice.pointee("/function/name");
  if (form.tools.empty() && (name != nullptr || form.tool_choice == "required")) {
    return in.wrong("tool_choice", "asks for a call, and there are no tools");
  }
  const auto is_named = [&](const Json& tool) { return tool["function"]["name"] == *name; };
  if (name != nullptr && std::ranges::none_of(form.tools, is_named)) {
    return in.wrong("tool_choice", "is '" + name->get<std::string>() + "', which is none of the tools");
  }
  if (form.tool_choice == "none") form.tools = Json();
  if (!form.tools.empty()) job.prompts.front().chat_options["tools"] = form.tools;
}

void set_effort(const std::string& effort, Job& job) {
  Json& options = job.prompts.front().chat_options;
  if (effort == "none") {
    options["enable_thinking"] = false;
  } else {
    options["variables"]["reasoning_effort"] = effort;
  }
}

void read_thinking(Members& in, const Json& thinking, Job& job) {
  Json& options = job.prompts.front().chat_options;
  if (thinking.is_boolean()) {
    options["enable_thinking"] = thinking;
    return;
  }
  Members m(thinking, in.path_of("thinking"));
  std::string type;
  if (m.text("type", type)) {
    if (type != "enabled" && type != "disabled" && type != "adaptive") {
      m.wrong("type", "is '" + type + "'; known are enabled, disabled and adaptive");
    }
    options["enable_thinking"] = type != "disabled";
  }
  int budget = 0;
  if (m.integer("budget_tokens", budget, 0, kMaxBudget)) job.form.reasoning_budget = budget;
  m.known({"display"});
  if (m.error()) in.fail(*m.error());
  for (const std::string& name : m.unknown()) in.note(name);
}

void read_reasoning(Members& in, Job& job) {
  std::string effort;
  if (in.text("reasoning_effort", effort)) set_effort(effort, job);
  if (const Json* reasoning = in.object("reasoning")) {
    Members m(*reasoning, in.path_of("reasoning"));
    if (m.text("effort", effort)) set_effort(effort, job);
    int budget = 0;
    if (m.integer("max_tokens", budget, 0, kMaxBudget)) job.form.reasoning_budget = budget;
    m.known({"summary", "generate_summary"});
    if (m.error()) in.fail(*m.error());
    for (const std::string& name : m.unknown()) in.note(name);
  }
  bool thinks = true;
  if (in.flag("enable_thinking", thinks)) job.prompts.front().chat_options["enable_thinking"] = thinks;
  if (const Json* thinking = in.any("thinking")) read_thinking(in, *thinking, job);
  for (const char* key : {"reasoning_budget_tokens", "thinking_budget_tokens", "thinking_budget"}) {
    int budget = -1;
    if (in.integer(key, budget, -1, kMaxBudget) && budget >= 0) job.form.reasoning_budget = budget;
  }
  std::string format = "auto";
  if (in.text("reasoning_format", format) && format != "auto" && format != "none" && format != "deepseek") {
    in.wrong("reasoning_format", "is '" + format + "'; known are auto, deepseek and none");
  }
  job.form.split_reasoning = format != "none";
}

}  // namespace kedge::tools::serve
