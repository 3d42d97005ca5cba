// Is it a schema? All that can be wrong with one is found here, before any value is seen.
#include <cmath>
#include <set>

#include "kernels/base/utf8_cut.h"
#include "router/json_schema_keywords.h"
#include "router/json_value.h"

namespace kedge::router {

class SchemaCheck {
 public:
  explicit SchemaCheck(JsonSchema* schema) : schema_(schema) {}

  Status run() {
    KEDGE_TRY(check_depth(schema_->root_, 0));
    KEDGE_TRY(check(schema_->root_, ""));
    for (const Json* schema : all_) KEDGE_TRY(check_circles(*schema, 0));
    return {};
  }

 private:
  // Of constants and defaults too: they are compared and destroyed by recursion.
  static Status check_depth(const Json& json, int depth) {
    if (depth > kMaxSchemaDepth) {
      return Error{ErrorCode::kCapacity, "the schema is nested deeper than " + std::to_string(kMaxSchemaDepth)};
    }
    if (!json.is_structured()) return {};
    for (const Json& element : json) KEDGE_TRY(check_depth(element, depth + 1));
    return {};
  }

  static Error wrong(const std::string& at, const Json& argument, const char* expected) {
    return {ErrorCode::kInvalidArgument, "the schema" + (at.empty() ? "" : " at " + at) + " is " +
                                             short_text(argument) + "; it has to be " + expected};
  }

  Status check(const Json& schema, const std::string& at) {
    all_.push_back(&schema);
    if (schema.is_boolean()) return {};
    if (!schema.is_object()) return wrong(at, schema, "an object, true or false");
    for (const auto& [name, argument] : schema.items()) {
      const SchemaKeyword* keyword = find_schema_keyword(name);
      const std::string place = at + pointer_token(name);
      if (keyword == nullptr || (name == "$id" && !at.empty())) {
        return Error{ErrorCode::kUnsupported, "the schema at " + place + ": keyword '" + name + "' is not supported" +
                                                  (keyword == nullptr ? "" : " below the top")};
      }
      KEDGE_TRY(check_argument(*keyword, argument, place));
    }
    if (schema.contains("prefixItems") && schema.contains("items") && schema.at("items").is_array()) {
      return wrong(at + "/items", schema.at("items"), "a schema where prefixItems is");
    }
    return {};
  }

  Status check_argument(const SchemaKeyword& keyword, const Json& a, const std::string& at) {
    switch (keyword.shape) {
      case SchemaShape::kAnything:
        return {};
      case SchemaShape::kText:
        return a.is_string() ? Status() : wrong(at, a, "a string");
      case SchemaShape::kFlag:
        return a.is_boolean() ? Status() : wrong(at, a, "true or false");
      case SchemaShape::kCount:
        return is_whole_number(a) && exact_number(a) >= 0 ? Status() : wrong(at, a, "a whole number, 0 or more");
      case SchemaShape::kNumber:
        return is_finite(a) ? Status() : wrong(at, a, "a number");
      case SchemaShape::kPositive:
        return is_finite(a) && exact_number(a) > 0 ? Status() : wrong(at, a, "a number above 0");
      case SchemaShape::kValues:
        return a.is_array() && !a.empty() ? Status() : wrong(at, a, "an array with at least one value");
      case SchemaShape::kTypes:
        return check_types(a, at);
      case SchemaShape::kNames:
        return check_names(a, at);
      case SchemaShape::kPattern:
        return a.is_string() ? add_pattern(a.get_ref<const std::string&>(), at) : wrong(at, a, "a string");
      case SchemaShape::kReference:
        return check_reference(a, at);
      case SchemaShape::kSchema:
        return check(a, at);
      case SchemaShape::kSchemaOrList:
        return a.is_array() ? check_list(a, at) : check(a, at);
      case SchemaShape::kSchemas:
        return a.is_array() && !a.empty() ? check_list(a, at) : wrong(at, a, "an array with at least one schema");
      case SchemaShape::kNamesByName:
      case SchemaShape::kSchemaByName:
      case SchemaShape::kSchemaByPattern:
        return check_members(keyword.shape, a, at);
    }
    return {};
  }

  static bool is_finite(const Json& a) { return a.is_number() && std::isfinite(a.get<double>()); }

  Status check_list(const Json& list, const std::string& at) {
    for (size_t i = 0; i < list.size(); ++i) KEDGE_TRY(check(list[i], at + "/" + std::to_string(i)));
    return {};
  }

  Status check_members(SchemaShape shape, const Json& object, const std::string& at) {
    if (!object.is_object()) return wrong(at, object, "an object");
    for (const auto& [name, member] : object.items()) {
      const std::string place = at + pointer_token(name);
      if (shape == SchemaShape::kSchemaByPattern) KEDGE_TRY(add_pattern(name, place));
      KEDGE_TRY(shape == SchemaShape::kNamesByName ? check_names(member, place) : check(member, place));
    }
    return {};
  }

  static Status check_types(const Json& types, const std::string& at) {
    static constexpr std::string_view kTypes[] = {"null", "boolean", "string", "array", "object", "number", "integer"};
    if (types.is_array() && types.empty()) return wrong(at, types, "a type or an array with at least one");
    for (const Json& type : types.is_array() ? types : Json::array({types})) {
      bool known = false;
      for (const std::string_view name : kTypes) known = known || type == name;
      if (!known) return wrong(at, type, "null, boolean, string, array, object, number or integer");
    }
    return {};
  }

  static Status check_names(const Json& names, const std::string& at) {
    if (!names.is_array()) return wrong(at, names, "an array of strings");
    std::set<std::string> seen;
    for (const Json& name : names) {
      if (!name.is_string()) return wrong(at, name, "a string");
      if (!seen.insert(name.get<std::string>()).second) return wrong(at, name, "there once");
    }
    return {};
  }

  Status add_pattern(const std::string& text, const std::string& at) {
    if (schema_->patterns_.contains(text)) return {};
    KEDGE_ASSIGN(pattern, Pattern::compile(text, "the schema at " + at, Pattern::Kind::kSearch));
    schema_->patterns_.emplace(text, std::move(pattern));
    return {};
  }

  Status check_reference(const Json& reference, const std::string& at) {
    if (!reference.is_string()) return wrong(at, reference, "a string");
    const auto target = resolve_schema_ref(schema_->root_, reference.get_ref<const std::string&>());
    if (target.ok()) return {};
    return Error{target.error().code, "the schema at " + at + ": " + target.error().message};
  }

  // Follows the keywords whose schemas see the same value.
  Status check_circles(const Json& schema, int depth) {
    if (!schema.is_object() || done_.contains(&schema)) return {};
    if (!open_.insert(&schema).second) {
      return Error{ErrorCode::kInvalidArgument, "the schema refers to itself in place (by $ref): it would never end"};
    }
    if (depth > kMaxInPlaceDepth) {
      return Error{ErrorCode::kCapacity, "the schema: more than " + std::to_string(kMaxInPlaceDepth) +
                                             " schemas in a chain of $ref and allOf"};
    }
    for (const auto& [name, argument] : schema.items()) {
      const SchemaKeyword* keyword = find_schema_keyword(name);
      if (!keyword->in_place) continue;
      if (keyword->shape == SchemaShape::kReference) {
        KEDGE_ASSIGN(target, resolve_schema_ref(schema_->root_, argument.get_ref<const std::string&>()));
        KEDGE_TRY(check_circles(*target, depth + 1));
      } else if (argument.is_array()) {
        for (const Json& part : argument) KEDGE_TRY(check_circles(part, depth + 1));
      } else {
        KEDGE_TRY(check_circles(argument, depth + 1));
      }
    }
    open_.erase(&schema);
    done_.insert(&schema);
    return {};
  }

  JsonSchema* schema_;
  std::vector<const Json*> all_;
  std::set<const Json*> open_;
  std::set<const Json*> done_;
};

Result<const Json*> resolve_schema_ref(const Json& root, std::string_view reference) {
  if (reference == "#") return &root;
  for (const std::string_view group : {"definitions", "$defs"}) {
    const std::string prefix = "#/" + std::string(group) + "/";
    if (!reference.starts_with(prefix)) continue;
    const std::string_view name = reference.substr(prefix.size());
    if (name.find_first_of("/%") != std::string_view::npos) break;
    const auto members = root.is_object() ? root.find(group) : root.end();
    if (members != root.end() && members->is_object()) {
      for (const auto& [key, schema] : members->items()) {
        if (pointer_token(key).substr(1) == name) return &schema;
      }
    }
    return Error{ErrorCode::kInvalidArgument, "$ref '" + std::string(utf8_cut(reference, 80)) + "' leads nowhere"};
  }
  return Error{ErrorCode::kUnsupported, "$ref '" + std::string(utf8_cut(reference, 80)) +
                                            "' is not supported; only #, #/$defs/NAME and #/definitions/NAME are"};
}

Result<JsonSchema> JsonSchema::compile(const Json& schema) {
  JsonSchema compiled(schema);
  KEDGE_TRY(SchemaCheck(&compiled).run());
  return compiled;
}

}  // namespace kedge::router
