#include "engine/chat_read/gemma_schema.h"

#include <algorithm>
#include <map>

#include "engine/chat_read/tool_schema.h"

namespace kedge::engine::chat_read {
namespace {

using base::Json;

constexpr std::string_view kQuote = "<|\"|>";

std::string lower(std::string s) {
  for (char& c : s) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return s;
}

class GemmaSchema {
 public:
  GemmaSchema(const Json& root, Grammar& into) : root_(root), into_(into) {}

  Result<NodeId> object(const Json& schema, const std::string& pointer) {
    KEDGE_ASSIGN(members, arguments_of(schema, root_, pointer));
    std::sort(members.begin(), members.end(),
              [](const Argument& a, const Argument& b) { return lower(a.name) < lower(b.name); });
    std::vector<Part> parts;
    for (const Argument& m : members) {
      if (m.name.empty()) return any_object();
      KEDGE_ASSIGN(value, this->value(*m.schema, m.pointer));
      parts.push_back({into_.sequence({into_.text(m.name + ":"), value}), m.required});
    }
    return into_.sequence({into_.text("{"), separated(parts, ",", into_), into_.text("}")});
  }

  NodeId any_object() {
    const NodeId key = into_.repeat(into_.chars({{'a', 'z'}, {'A', 'Z'}, {'0', '9'}, {'_', '_'}, {'-', '-'}}), 1, 64);
    const NodeId member = into_.sequence({key, into_.text(":"), any_value()});
    return bracketed("{", list_of(member, 0, grammar::kNoLimit), "}");
  }

 private:
  NodeId bracketed(const char* open, NodeId inside, const char* close) {
    return into_.sequence({into_.text(open), inside, into_.text(close)});
  }

  NodeId list_of(NodeId one, size_t least, size_t most) {
    if (most == 0) return into_.empty();
    const NodeId more = into_.repeat(into_.sequence({into_.text(","), one}), least > 0 ? least - 1 : 0,
                                     most == grammar::kNoLimit ? most : most - 1);
    const NodeId some = into_.sequence({one, more});
    return least > 0 ? some : into_.optional(some);
  }

  NodeId any_value() {
    if (!any_declared_) {
      any_declared_ = true;
      any_ = into_.declare("gemma-value");
      const NodeId string = into_.sequence({into_.marker(kQuote), text_without(kQuote, into_), into_.marker(kQuote)});
      const NodeId digit = into_.chars({{'0', '9'}});
      const NodeId number = into_.sequence(
          {into_.optional(into_.text("-")),
           into_.choice({into_.text("0"), into_.sequence({into_.chars({{'1', '9'}}), into_.repeat(digit, 0, 15)})}),
           into_.optional(into_.sequence({into_.text("."), into_.repeat(digit, 1, 15)}))});
      const NodeId array = bracketed("[", list_of(into_.rule(any_), 0, grammar::kNoLimit), "]");
      into_.define(any_, into_.choice({string, number, into_.text("true"), into_.text("false"), into_.text("null"),
                                       array, any_object()}));
    }
    return into_.rule(any_);
  }

  Result<NodeId> value(const Json& given, const std::string& pointer) {
    const Json* schema = resolved(given, root_);
    if (schema == nullptr) return unsupported(pointer + "/$ref", "it names nothing in the tool's schema");
    if (schema == &given) return own_value(given, pointer);
    const auto known = rules_.find(schema);  // what is referred to may refer to itself
    if (known != rules_.end()) return into_.rule(known->second);
    const Grammar::RuleId rule = into_.declare("gemma" + pointer);
    rules_[schema] = rule;
    KEDGE_ASSIGN(body, own_value(*schema, pointer));
    into_.define(rule, body);
    return into_.rule(rule);
  }

  Result<NodeId> own_value(const Json& schema, const std::string& pointer) {
    if (schema == Json(true) || (schema.is_object() && schema.empty())) return any_value();
    if (!schema.is_object()) return unsupported(pointer, "no value is allowed");
    if (schema.contains("enum")) return literals(schema["enum"], pointer + "/enum");
    if (schema.contains("const")) return literals(Json::array({schema["const"]}), pointer + "/const");
    for (const char* key : {"allOf", "not", "if"}) {
      if (schema.contains(key))
        return unsupported(pointer + "/" + key, "it cannot be enforced in this model's form of calls");
    }
    for (const char* key : {"anyOf", "oneOf"}) {
      if (!schema.contains(key)) continue;
      std::vector<NodeId> options;
      for (size_t i = 0; i < schema[key].size(); ++i) {
        KEDGE_ASSIGN(option, value(schema[key][i], pointer + "/" + key + "/" + std::to_string(i)));
        options.push_back(option);
      }
      return into_.choice(options);
    }
    if (!schema.contains("type")) {
      if (schema.contains("properties")) return object(schema, pointer);
      return schema.contains("items") ? array(schema, pointer) : Result<NodeId>(any_value());
    }
    if (!schema["type"].is_array()) return of_type(schema, schema["type"], pointer);
    std::vector<NodeId> options;
    for (const Json& type : schema["type"]) {
      KEDGE_ASSIGN(option, of_type(schema, type, pointer));
      options.push_back(option);
    }
    return into_.choice(options);
  }

  Result<NodeId> of_type(const Json& schema, const Json& type, const std::string& pointer) {
    if (type == "object") return object(schema, pointer);
    if (type == "array") return array(schema, pointer);
    if (type == "string") {
      KEDGE_ASSIGN(text, plain_string(&schema, pointer, kQuote, into_));
      return into_.sequence({into_.marker(kQuote), text, into_.marker(kQuote)});
    }
    Json one = schema;  // numbers and words are JSON's
    one["type"] = type;
    return grammar::read_json_schema(one, pointer, kCallStyle, into_);
  }

  Result<NodeId> array(const Json& schema, const std::string& pointer) {
    for (const char* key :
         {"prefixItems", "contains", "minContains", "maxContains", "uniqueItems", "unevaluatedItems"}) {
      if (schema.contains(key) && !(schema[key] == Json(false))) {
        return unsupported(pointer + "/" + key, "it cannot be enforced in this model's form of calls");
      }
    }
    NodeId item = 0;
    if (schema.contains("items")) {
      KEDGE_ASSIGN(node, value(schema["items"], pointer + "/items"));
      item = node;
    } else {
      item = any_value();
    }
    size_t least = 0, most = grammar::kNoLimit;
    for (const auto& [key, limit] : {std::pair("minItems", &least), std::pair("maxItems", &most)}) {
      if (!schema.contains(key)) continue;
      if (!schema[key].is_number_unsigned()) return unsupported(pointer + "/" + key, "it is no whole number");
      *limit = schema[key].get<size_t>();
    }
    return bracketed("[", list_of(item, least, most), "]");
  }

  Result<NodeId> literals(const Json& values, const std::string& pointer) {
    std::vector<NodeId> options;
    for (const Json& v : values) {
      if (v.is_structured()) return unsupported(pointer, "it has values that are no strings, numbers or words");
      options.push_back(
          v.is_string() ? into_.sequence({into_.marker(kQuote), into_.text(v.get<std::string>()), into_.marker(kQuote)})
                        : into_.text(v.dump()));
    }
    return into_.choice(options);
  }

  static Error unsupported(const std::string& pointer, const std::string& problem) {
    return {ErrorCode::kUnsupported, pointer + ": " + problem};
  }

  const Json& root_;
  Grammar& into_;
  std::map<const Json*, Grammar::RuleId> rules_;
  bool any_declared_ = false;
  Grammar::RuleId any_ = 0;
};

}  // namespace

Result<NodeId> gemma_object(const Json& schema, const std::string& pointer, Grammar& into) {
  GemmaSchema reader(schema, into);
  if (schema.is_null() || (schema.is_object() && schema.empty())) return reader.any_object();
  return reader.object(schema, pointer);
}

}  // namespace kedge::engine::chat_read
