#include "engine/chat_read/tool_schema.h"

#include <algorithm>

#include "engine/chat_read/events.h"
#include "engine/chat_read/literal_reader.h"

namespace kedge::engine::chat_read {
namespace {

using base::Json;

constexpr int kMaxRefs = 16;  // of a chain, and of combinations within each other

unsigned kind_of_value(const Json& value) {
  if (value.is_null()) return kNull;
  if (value.is_boolean()) return kBoolean;
  if (value.is_number()) return kNumber;
  if (value.is_string()) return kString;
  return value.is_array() ? kArray : kObject;
}

unsigned kind_named(const Json& type) {
  constexpr std::pair<const char*, unsigned> kNames[] = {
      {"null", kNull},     {"boolean", kBoolean}, {"number", kNumber}, {"integer", kNumber},
      {"string", kString}, {"array", kArray},     {"object", kObject}};
  for (const auto& [name, kind] : kNames) {
    if (type == name) return kind;
  }
  return kAnyKind;
}

unsigned kinds_at(const Json& given, const Json& root, int depth);

unsigned union_of(const Json& schemas, const Json& root, int depth) {
  unsigned kinds = 0;
  for (const Json& s : schemas) kinds |= kinds_at(s, root, depth);
  return kinds;
}

unsigned kinds_at(const Json& given, const Json& root, int depth) {
  const Json* schema = depth < kMaxRefs ? resolved(given, root) : nullptr;
  if (schema == nullptr || !schema->is_object()) return kAnyKind;
  unsigned kinds = kAnyKind;
  for (const auto& [key, value] : schema->items()) {
    unsigned these = kAnyKind;
    if (key == "type" && value.is_array()) {
      these = 0;
      for (const Json& t : value) these |= kind_named(t);
    } else if (key == "type") {
      these = kind_named(value);
    } else if (key == "const") {
      these = kind_of_value(value);
    } else if (key == "enum" && value.is_array()) {
      these = 0;
      for (const Json& v : value) these |= kind_of_value(v);
    } else if ((key == "anyOf" || key == "oneOf") && value.is_array()) {
      these = union_of(value, root, depth + 1);
    } else if (key == "allOf" && value.is_array()) {
      for (const Json& s : value) these &= kinds_at(s, root, depth + 1);
    }
    kinds &= these;
  }
  if (schema->contains("nullable") && schema->at("nullable") == Json(true)) kinds |= kNull;
  return kinds;
}

}  // namespace

const Json* resolved(const Json& schema, const Json& root) {
  const Json* at = &schema;
  for (int i = 0; i < kMaxRefs; ++i) {
    if (!at->is_object() || !at->contains("$ref") || !at->at("$ref").is_string()) return at;
    const auto& ref = at->at("$ref").get_ref<const std::string&>();
    if (!ref.starts_with('#')) return nullptr;
    at = root.pointee(std::string_view(ref).substr(1));
    if (at == nullptr) return nullptr;
  }
  return nullptr;
}

unsigned kinds_of(const Json& schema, const Json& root) { return kinds_at(schema, root, 0); }

const ChatTool* find_tool(const ChatReadOptions& options, std::string_view name) {
  const auto found =
      std::find_if(options.tools.begin(), options.tools.end(), [&](const ChatTool& tool) { return tool.name == name; });
  return found == options.tools.end() ? nullptr : &*found;
}

const Json* parameter_schema(const ChatTool& tool, std::string_view name) {
  const Json* schema = resolved(tool.parameters, tool.parameters);
  if (schema == nullptr || !schema->is_object()) return nullptr;
  const auto properties = schema->find("properties");
  if (properties != schema->end() && properties->is_object()) {
    const auto found = properties->find(name);
    if (found != properties->end()) return &*found;
  }
  const auto others = schema->find("additionalProperties");
  return others != schema->end() && others->is_object() ? &*others : nullptr;
}

namespace {

// A list or a dictionary as Python prints them, which some templates show the model; empty: it is none.
std::string literal_as_json(std::string_view word) {
  if (!word.starts_with('[') && !word.starts_with('{')) return {};
  LiteralReader reader(Dialect::kPython);
  const std::string arguments = "v=" + std::string(word) + ")";
  std::string_view rest = arguments;
  std::string out;
  if (!reader.read(rest, true, out).ok() || !reader.done() || !rest.empty()) return {};
  const auto value = base::parse_json(out, "value");
  return value.ok() && value->size() == 1 ? value->at("v").dump() : std::string();
}

}  // namespace

std::string typed_value(std::string_view text, unsigned kinds) {
  if (kinds == kString) return quoted(text);
  const std::string_view word = without_spaces(text);
  if ((kinds & kBoolean) != 0 && (word == "True" || word == "False")) return word == "True" ? "true" : "false";
  if ((kinds & kNull) != 0 && word == "None") return "null";
  const auto value = base::parse_json(word, "value");
  if (!value.ok() && (kinds & kString) == 0) {
    const std::string literal = literal_as_json(word);
    if (!literal.empty()) return literal;
  }
  const bool text_is_better = (kinds & kString) != 0;
  if (!value.ok() || (text_is_better && (value->is_string() || (kind_of_value(*value) & kinds) == 0)))
    return quoted(text);
  return std::string(word);
}

std::string escaped(std::string_view text) {
  std::string json = Json(text).dump();
  return json.substr(1, json.size() - 2);
}

}  // namespace kedge::engine::chat_read
