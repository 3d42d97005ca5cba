// unevaluatedProperties and unevaluatedItems, where what is evaluated does not depend on the value: beside the keywords
// of the same schema, allOf and $ref. Beside keywords that choose (anyOf, oneOf, if, not, dependentSchemas) they are
// refused.
#include <algorithm>
#include <string>

#include "engine/grammar/json_schema_forms.h"
#include "engine/grammar/json_schema_keywords.h"

namespace kedge::engine::grammar {

struct SchemaForms::Evaluated {
  std::vector<std::pair<std::string, Conj>> named;
  std::vector<std::pair<Grammar::NodeId, Conj>> patterns;
  size_t n_items = 0;
  bool all_keys = false;
  bool all_items = false;
  int depth = 0;
};

Status SchemaForms::find_evaluated(uint32_t place, const std::string& because, Evaluated& out) {
  const Json& schema = places_.json(place);
  if (!schema.is_object()) return {};
  KEDGE_TRY(check_keywords(schema, places_.pointer(place)));
  if (++out.depth > 64) {
    return schema_error(base::ErrorCode::kInvalidArgument, places_.pointer(place),
                        "the schema refers to itself in place");
  }
  for (const char* keyword : {"anyOf", "oneOf", "if", "not", "dependentSchemas", "dependencies", "contains"}) {
    if (!schema.contains(keyword)) continue;
    return schema_error(base::ErrorCode::kUnsupported, because,
                        "the keyword cannot be enforced where '" + std::string(keyword) + "' evaluates too (at " +
                            places_.at(place, keyword) + ")");
  }
  if (schema.contains("properties")) {
    for (const auto& [key, member] : schema["properties"].items()) out.named.emplace_back(key, Conj());
  }
  if (schema.contains("patternProperties")) {
    for (const auto& [key, member] : schema["patternProperties"].items()) {
      KEDGE_ASSIGN(node, pattern(key, places_.at(place, "patternProperties") + pointer_token(key)));
      out.patterns.emplace_back(node, Conj());
    }
  }
  const bool old_list = schema.contains("items") && schema["items"].is_array();
  if (old_list) out.n_items = std::max(out.n_items, schema["items"].size());
  if (schema.contains("prefixItems")) out.n_items = std::max(out.n_items, schema["prefixItems"].size());
  out.all_items =
      out.all_items || (schema.contains("items") && !old_list) || (old_list && schema.contains("additionalItems"));
  out.all_keys = out.all_keys || schema.contains("additionalProperties");
  if (out.depth > 1) {
    out.all_items = out.all_items || schema.contains("unevaluatedItems");
    out.all_keys = out.all_keys || schema.contains("unevaluatedProperties");
  }
  if (schema.contains("$ref")) {
    KEDGE_ASSIGN(target, places_.resolve(schema["$ref"].get_ref<const std::string&>(), places_.at(place, "$ref")));
    KEDGE_TRY(find_evaluated(target, because, out));
  }
  if (schema.contains("allOf")) {
    for (const uint32_t part : parts_of(place, "allOf")) KEDGE_TRY(find_evaluated(part, because, out));
  }
  --out.depth;
  return {};
}

Status SchemaForms::add_unevaluated(uint32_t place, const Json& schema, ArrayCase& arrays) {
  if (!schema.contains("unevaluatedItems") || schema["unevaluatedItems"] == true) return {};
  Evaluated evaluated;
  KEDGE_TRY(find_evaluated(place, places_.at(place, "unevaluatedItems"), evaluated));
  if (evaluated.all_items) return {};
  ArrayCase rest;
  rest.prefix.resize(evaluated.n_items);
  rest.rest = conj_of(places_.below(place, schema["unevaluatedItems"], "unevaluatedItems"));
  const bool listed = arrays.listed;
  if (auto both = both_of(arrays, rest)) arrays = std::move(*both);
  arrays.listed = listed && rest.rest.empty();
  return {};
}

Status SchemaForms::add_unevaluated(uint32_t place, const Json& schema, ObjectCase& objects) {
  if (!schema.contains("unevaluatedProperties") || schema["unevaluatedProperties"] == true) return {};
  Evaluated evaluated;
  KEDGE_TRY(find_evaluated(place, places_.at(place, "unevaluatedProperties"), evaluated));
  if (evaluated.all_keys) return {};
  const Conj rest = conj_of(places_.below(place, schema["unevaluatedProperties"], "unevaluatedProperties"));
  objects.keys.push_back({evaluated.named, evaluated.patterns, rest, true});
  return {};
}

}  // namespace kedge::engine::grammar
