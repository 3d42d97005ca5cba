#include "engine/grammar/json_schema_keywords.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/base/utf8_cut.h"

namespace kedge::engine::grammar {
namespace {

using enum KeywordShape;
using enum KeywordRole;

constexpr Keyword kKeywords[] = {
    {"type", kTypes},
    {"enum", kValues},
    {"const", kAnything},
    {"nullable", kFlag},
    {"minimum", kNumber},
    {"maximum", kNumber},
    {"exclusiveMinimum", kFlagOrNumber},
    {"exclusiveMaximum", kFlagOrNumber},
    {"multipleOf", kPositive},
    {"minLength", kCount},
    {"maxLength", kCount},
    {"pattern", kText},
    {"format", kText},
    {"items", kSchemaOrList},
    {"prefixItems", kSchemas},
    {"additionalItems", kSchema},
    {"unevaluatedItems", kSchema},
    {"contains", kSchema},
    {"minContains", kCount},
    {"maxContains", kCount},
    {"minItems", kCount},
    {"maxItems", kCount},
    {"uniqueItems", kFlag},
    {"properties", kSchemaByName},
    {"patternProperties", kSchemaByName},
    {"additionalProperties", kSchema},
    {"unevaluatedProperties", kSchema},
    {"propertyNames", kSchema},
    {"required", kNames},
    {"dependentRequired", kNamesByName},
    {"dependentSchemas", kSchemaByName},
    {"dependencies", kSchemaOrNamesByName},
    {"minProperties", kCount},
    {"maxProperties", kCount},
    {"allOf", kSchemas},
    {"anyOf", kSchemas},
    {"oneOf", kSchemas},
    {"not", kSchema},
    {"if", kSchema},
    {"then", kSchema},
    {"else", kSchema},
    {"$ref", kText},
    {"$dynamicRef", kText, kRefused},
    {"$recursiveRef", kText, kRefused},
    {"$vocabulary", kAnything, kRefused},
    {"$defs", kSchemaByName, kAnnotates},
    {"definitions", kSchemaByName, kAnnotates},
    {"$schema", kText, kAnnotates},
    {"$id", kText, kAnnotates},
    {"id", kText, kAnnotates},
    {"$anchor", kText, kAnnotates},
    {"$dynamicAnchor", kText, kAnnotates},
    {"$recursiveAnchor", kFlag, kAnnotates},
    {"$comment", kText, kAnnotates},
    {"title", kText, kAnnotates},
    {"description", kText, kAnnotates},
    {"default", kAnything, kAnnotates},
    {"example", kAnything, kAnnotates},
    {"examples", kAnything, kAnnotates},
    {"deprecated", kFlag, kAnnotates},
    {"readOnly", kFlag, kAnnotates},
    {"writeOnly", kFlag, kAnnotates},
    {"discriminator", kAnything, kAnnotates},  // OpenAPI: which schema of oneOf to look at first
    {"externalDocs", kAnything, kAnnotates},
    {"xml", kAnything, kAnnotates},
    {"contentEncoding", kText, kAnnotates},
    {"contentMediaType", kText, kAnnotates},
    {"contentSchema", kAnything, kAnnotates},
};

bool is_whole(const Json& a) {
  return a.is_number_integer() || (a.is_number_float() && a.get<double>() == std::floor(a.get<double>()));
}

const char* check_types(const Json& types) {
  static constexpr std::string_view kTypeNames[] = {"null",   "boolean", "string", "array",
                                                    "object", "number",  "integer"};
  static constexpr const char* kWanted =
      "null, boolean, string, array, object, number, integer, or an array of those, each once";
  if (types.is_array() && types.empty()) return kWanted;
  std::set<std::string> seen;
  for (const Json& type : types.is_array() ? types : Json::array({types})) {
    const bool known =
        std::any_of(std::begin(kTypeNames), std::end(kTypeNames), [&](auto name) { return type == name; });
    if (!known || !seen.insert(type.get<std::string>()).second) return kWanted;
  }
  return nullptr;
}

bool are_names(const Json& names) {
  std::set<std::string> seen;
  if (!names.is_array()) return false;
  return std::all_of(names.begin(), names.end(),
                     [&](const Json& n) { return n.is_string() && seen.insert(n.get<std::string>()).second; });
}

bool is_schema(const Json& a) { return a.is_object() || a.is_boolean(); }

bool are_schemas(const Json& a) { return a.is_array() && std::all_of(a.begin(), a.end(), is_schema); }

template <class Is>
bool all_members(const Json& a, Is is) {
  return a.is_object() && std::all_of(a.begin(), a.end(), is);
}

// What the argument has to be, when it is not that.
const char* wanted(KeywordShape shape, const Json& a) {
  const auto unless = [](bool good, const char* text) { return good ? nullptr : text; };
  switch (shape) {
    case kAnything:
      return nullptr;
    case kText:
      return unless(a.is_string(), "a string");
    case kFlag:
      return unless(a.is_boolean(), "true or false");
    case kFlagOrNumber:
      return unless(a.is_boolean() || a.is_number(), "a number (in draft 4, true or false)");
    case kCount:
      return unless(is_whole(a) && a >= 0 && a < 1e15, "a whole number, 0 or more");
    case kNumber:
      return unless(a.is_number(), "a number");
    case kPositive:
      return unless(a.is_number() && a > 0, "a number above 0");
    case kValues:
      return unless(a.is_array() && !a.empty(), "an array with at least one value");
    case kTypes:
      return check_types(a);
    case kNames:
      return unless(are_names(a), "an array of strings, each once");
    case kNamesByName:
      return unless(all_members(a, are_names), "an object of arrays of strings, each once");
    case kSchema:
      return unless(is_schema(a), "a schema (an object, true or false)");
    case kSchemas:
      return unless(are_schemas(a) && !a.empty(), "an array with at least one schema");
    case kSchemaOrList:
      return unless(is_schema(a) || are_schemas(a), "a schema or an array of schemas");
    case kSchemaByName:
      return unless(all_members(a, is_schema), "an object of schemas");
    case kSchemaOrNamesByName:
      return unless(all_members(a, [](const Json& m) { return is_schema(m) || are_names(m); }),
                    "an object of schemas and arrays of strings, each once");
  }
  return nullptr;
}

std::string shown(const Json& value) {
  const std::string text = value.dump();
  const std::string_view start = base::utf8_cut(text, 80);
  return std::string(start) + (start.size() < text.size() ? "..." : "");
}

}  // namespace

const Keyword* find_keyword(std::string_view name) {
  const auto found =
      std::find_if(std::begin(kKeywords), std::end(kKeywords), [&](const Keyword& k) { return name == k.name; });
  return found == std::end(kKeywords) ? nullptr : found;
}

std::string pointer_token(std::string_view key) {
  std::string token = "/";
  for (const char c : key) {
    if (c == '~' || c == '/') {
      token += c == '~' ? "~0" : "~1";
    } else {
      token += c;
    }
  }
  return token;
}

Error schema_error(base::ErrorCode code, const std::string& pointer, const std::string& problem) {
  return {code, (pointer.empty() ? "the schema" : pointer) + ": " + problem};
}

Status check_keywords(const Json& schema, const std::string& pointer) {
  using base::ErrorCode;
  if (schema.is_boolean()) return {};
  if (!schema.is_object()) {
    return schema_error(ErrorCode::kInvalidArgument, pointer,
                        "a schema is an object, true or false, not " + shown(schema));
  }
  for (const auto& [name, argument] : schema.items()) {
    if (name.starts_with("x-")) continue;  // OpenAPI's extensions, and JSON Schema's: they assert nothing
    const Keyword* keyword = find_keyword(name);
    const std::string at = pointer + pointer_token(name);
    const std::string quoted = "'" + std::string(base::utf8_cut(name, 80)) + "'";
    if (keyword == nullptr) {
      return schema_error(ErrorCode::kUnsupported, at,
                          "the keyword " + quoted + " is not known, so it cannot be enforced");
    }
    if (keyword->role == KeywordRole::kRefused) {
      return schema_error(ErrorCode::kUnsupported, at, "the keyword " + quoted + " cannot be enforced");
    }
    if (const char* text = wanted(keyword->shape, argument)) {
      return schema_error(ErrorCode::kInvalidArgument, at,
                          quoted + " is " + shown(argument) + "; it has to be " + text);
    }
  }
  return {};
}

}  // namespace kedge::engine::grammar
