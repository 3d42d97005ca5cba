#include "engine/chat_read/call_grammar.h"

#include <algorithm>
#include <optional>

#include "engine/chat_read/tool_schema.h"
#include "engine/grammar/json_schema_forms.h"
#include "engine/grammar/json_schema_keywords.h"

namespace kedge::engine::chat_read {
namespace {

using base::Json;

Error unsupported(const std::string& pointer, const std::string& problem) {
  return {ErrorCode::kUnsupported, pointer + ": " + problem};
}

std::string token_of_pointer(std::string_view name) {
  std::string out;
  for (const char c : name) c == '~' ? out += "~0" : c == '/' ? out += "~1" : out += c;
  return out;
}

// A schema that stands for itself: with the definitions of the whole it is a part of.
Json alone(const Json& schema, const Json& root) {
  Json out = schema;
  if (!out.is_object() || !root.is_object()) return out;
  for (const char* key : {"$defs", "definitions"}) {
    if (root.contains(key) && !out.contains(key)) out[key] = root[key];
  }
  return out;
}

// The strings that a schema accepts, where it does not accept all of them. Errors: those of read_json_schema.
Result<std::optional<NodeId>> limited_string(const Json& schema, const std::string& pointer, Grammar& into) {
  KEDGE_TRY(grammar::check_keywords(schema, pointer));
  grammar::SchemaPlaces places(schema, pointer);
  grammar::SchemaForms forms(places, into);
  KEDGE_ASSIGN(form, forms.form_of(grammar::Conj{grammar::Atom{places.root(), false, false}}));
  std::vector<NodeId> ways;
  for (const grammar::StringCase& one : form.strings) {
    if (one.is_any()) return std::optional<NodeId>();
    ways.push_back(grammar::string_content(one, into));
  }
  return std::optional(into.choice(ways));
}

Result<NodeId> any_parameters(const XmlCallForm& form, std::string_view line, NodeId value, Grammar& into) {
  const NodeId name_char = into.chars_but({{0, ' '}, {'<', '<'}, {'>', '>'}, {'"', '"'}, {'=', '='}});
  NodeId name_end = into.marker(form.key_end);
  if (form.says_string) name_end = into.sequence({name_end, into.marker("true\">")});
  const NodeId rim = into.text(form.value_lines ? "\n" : "");
  const NodeId one =
      into.sequence({into.marker(form.key_begin), into.repeat(name_char, 1, 64), name_end,
                     into.optional(into.text(form.value_begin.empty() ? "" : line)), into.marker(form.value_begin), rim,
                     value, rim, into.marker(form.value_end), into.text(line)});
  return into.repeat(one, 0);
}

}  // namespace

Result<NodeId> any_tool(const ChatReadOptions& options, Grammar& into,
                        const std::function<Result<NodeId>(const ChatTool&, const std::string&)>& call) {
  if (options.choice == ToolChoice::kNone) return into.nothing();
  std::vector<NodeId> calls;
  for (size_t i = 0; i < options.tools.size(); ++i) {
    if (options.choice == ToolChoice::kNamed && options.tools[i].name != options.named) continue;
    KEDGE_ASSIGN(node, call(options.tools[i], "/tools/" + std::to_string(i) + "/function/parameters"));
    calls.push_back(node);
  }
  if (calls.empty() && options.choice == ToolChoice::kNamed) {
    return Error{ErrorCode::kInvalidArgument,
                 "tool_choice names the tool '" + options.named + "', which is not among tools"};
  }
  return into.choice(calls);
}

NodeId one_or_more(const ChatReadOptions& options, NodeId one, NodeId between, Grammar& into) {
  if (!options.parallel) return one;
  return into.sequence({one, into.repeat(into.sequence({between, one}), 0)});
}

Result<NodeId> json_arguments(const ChatTool& tool, const std::string& pointer, Grammar& into) {
  Json schema = tool.parameters;
  if (schema.is_null() || (schema.is_object() && schema.empty())) return grammar::any_json_object(kCallStyle, into);
  if (schema.is_object() && !schema.contains("type") && schema.contains("properties")) schema["type"] = "object";
  return grammar::read_json_schema(schema, pointer, kCallStyle, into);
}

Result<NodeId> json_call(const ChatReadOptions& options, std::string_view name, std::string_view arguments,
                         Grammar& into) {
  const NodeId blank = into.optional(into.text(" "));
  return any_tool(options, into, [&](const ChatTool& tool, const std::string& pointer) -> Result<NodeId> {
    KEDGE_ASSIGN(object, json_arguments(tool, pointer, into));
    return into.sequence({into.text("{" + quoted(name) + ":"), blank, into.text(quoted(tool.name) + ","), blank,
                          into.text(quoted(arguments) + ":"), blank, object, into.text("}")});
  });
}

Result<std::vector<Argument>> arguments_of(const Json& given, const Json& root, const std::string& pointer) {
  std::vector<Argument> out;
  if (given.is_null()) return std::vector<Argument>{{{}, nullptr, pointer, false}};
  const Json* schema = resolved(given, root);
  if (schema == nullptr || !schema->is_object()) return unsupported(pointer, "an object's schema was expected");
  for (const char* key : {"anyOf", "oneOf", "allOf", "not", "if", "patternProperties", "enum", "const", "minProperties",
                          "maxProperties", "propertyNames", "dependentRequired", "dependentSchemas"}) {
    if (schema->contains(key)) {
      return unsupported(pointer + "/" + key,
                         "this model writes its calls' arguments one by one, so that the schema "
                         "can only have properties, required and additionalProperties");
    }
  }
  const auto type = schema->find("type");
  if (type != schema->end() && !(*type == "object")) return unsupported(pointer + "/type", "it is not \"object\"");
  const auto properties = schema->find("properties");
  const auto required = schema->find("required");
  const auto others = schema->find("additionalProperties");
  const bool lists = properties != schema->end() && properties->is_object() && !properties->empty();
  if (!lists) {
    if (properties == schema->end() && (others == schema->end() || *others == Json(true))) {
      out.push_back({{}, nullptr, pointer, false});
    }
    return out;
  }
  for (const auto& [name, value] : properties->items()) {
    bool needed = false;
    if (required != schema->end() && required->is_array()) {
      needed = std::any_of(required->begin(), required->end(), [&](const Json& r) { return r == name; });
    }
    out.push_back({name, &value, pointer + "/properties/" + token_of_pointer(name), needed});
  }
  return out;
}

Result<NodeId> json_value(const Argument& argument, const Json& root, Grammar& into) {
  if (argument.schema == nullptr) return grammar::any_json(kCallStyle, into);
  return grammar::read_json_schema(alone(*argument.schema, root), argument.pointer, kCallStyle, into);
}

NodeId text_without(std::string_view end, Grammar& into) {
  const NodeId any = into.repeat(into.any_char(), 0);
  return into.without(any, into.sequence({any, into.text(end), any}));
}

Result<NodeId> plain_string(const Json* schema, const std::string& pointer, std::string_view end, Grammar& into) {
  const NodeId text = text_without(end, into);
  if (schema == nullptr || !schema->is_object()) return text;
  KEDGE_ASSIGN(limited, limited_string(*schema, pointer, into));
  return limited ? into.both(text, *limited) : text;
}

NodeId separated(std::span<const Part> parts, std::string_view separator, Grammar& into) {
  NodeId first = into.empty(), next = into.empty();  // the parts from here on, where none or one stands before them
  for (size_t i = parts.size(); i-- > 0;) {
    const NodeId begin = into.sequence({parts[i].node, next});
    const NodeId go_on = into.sequence({into.text(separator), begin});
    first = parts[i].required ? begin : into.choice({begin, first});
    next = parts[i].required ? go_on : into.choice({go_on, next});
  }
  return first;
}

Result<NodeId> xml_call(const XmlCallForm& form, std::string_view line, const ChatReadOptions& options, Grammar& into) {
  const auto value_of = [&](const ChatTool& tool, const Argument& a, bool& string) -> Result<NodeId> {
    const Json* schema = a.schema == nullptr ? nullptr : resolved(*a.schema, tool.parameters);
    const unsigned kinds = schema == nullptr ? unsigned{kAnyKind} : kinds_of(*schema, tool.parameters);
    string = (kinds & kString) != 0;
    if (!string) return json_value(a, tool.parameters, into);
    if (schema == nullptr) return text_without(form.value_end, into);
    const Json whole = alone(*schema, tool.parameters);
    KEDGE_ASSIGN(text, plain_string(&whole, a.pointer, form.value_end, into));
    if (kinds == kString || kinds == kAnyKind || form.says_string) return text;
    Json others = {{"allOf", Json::array({*schema})},
                   {"not", {{"type", "string"}}}};  // null, or whatever else it allows
    KEDGE_ASSIGN(json, json_value({a.name, &others, a.pointer, true}, tool.parameters, into));
    return into.choice({text, json});
  };
  const NodeId rim = into.text(form.value_lines ? "\n" : "");
  return any_tool(options, into, [&](const ChatTool& tool, const std::string& pointer) -> Result<NodeId> {
    KEDGE_ASSIGN(arguments, arguments_of(tool.parameters, tool.parameters, pointer));
    std::vector<NodeId> parts = {into.marker(form.name_begin), into.text(tool.name), into.marker(form.name_end),
                                 into.text(line)};
    for (const Argument& a : arguments) {
      bool string = false;
      KEDGE_ASSIGN(value, value_of(tool, a, string));
      if (a.name.empty()) {
        KEDGE_ASSIGN(any, any_parameters(form, line, value, into));
        parts.push_back(any);
        continue;
      }
      NodeId key_end = into.marker(form.key_end);
      if (form.says_string) key_end = into.sequence({key_end, into.marker(string ? "true\">" : "false\">")});
      const NodeId one = into.sequence({into.marker(form.key_begin), into.text(a.name), key_end,
                                        into.text(form.value_begin.empty() ? "" : line), into.marker(form.value_begin),
                                        rim, value, rim, into.marker(form.value_end), into.text(line)});
      parts.push_back(a.required ? one : into.optional(one));
    }
    parts.push_back(into.marker(form.call_end));
    return into.sequence(parts);
  });
}

}  // namespace kedge::engine::chat_read
