#include "router/json_schema.h"

#include <algorithm>
#include <set>

#include "router/json_schema_keywords.h"
#include "router/json_schema_validator.h"
#include "router/json_value.h"

namespace kedge::router {

namespace {

constexpr int kMaxDepth = 512;            // schemas within schemas while a value is looked at
constexpr uint64_t kStepsPerSchema = 16;  // a schema or keyword takes as long as so many steps of a match
constexpr size_t kBytesPerStep = 32;      // of texts that are compared

using Validator = SchemaValidator;

std::string argument_text(const char* keyword, const Json& argument) {
  return std::string(keyword) + " " + short_text(argument);
}

// The key that equal values share, paid for by its length.
std::string paid_key(Validator& v, const Json& value) {
  std::string key = comparison_key(value);
  v.charge(1 + key.size() / kBytesPerStep);
  return key;
}

bool is_type(const Json& value, const std::string& type) {
  const std::string_view is = type_of(value);
  return is == type || (is == "integer" && type == "number");
}

bool obeys_type(Validator& v, const Json&, const Json& types, const Json& value) {
  if (types.is_string() && is_type(value, types.get_ref<const std::string&>())) return true;
  if (types.is_array()) {
    for (const Json& type : types) {
      if (is_type(value, type.get_ref<const std::string&>())) return true;
    }
  }
  return v.fail("is " + short_text(value) + ", of type " + type_of(value) + "; " + argument_text("type", types));
}

bool obeys_enum(Validator& v, const Json&, const Json& values, const Json& value) {
  const std::string key = paid_key(v, value);
  for (const Json& allowed : values) {
    if (paid_key(v, allowed) == key) return true;
  }
  return v.fail("is " + short_text(value) + "; " + argument_text("enum", values));
}

bool obeys_const(Validator& v, const Json&, const Json& wanted, const Json& value) {
  if (paid_key(v, wanted) == paid_key(v, value)) return true;
  return v.fail("is " + short_text(value) + "; " + argument_text("const", wanted));
}

enum class Order { kAtLeast, kAtMost, kAbove, kBelow };

template <Order order>
bool in_order(long double a, long double limit) {
  if constexpr (order == Order::kAtLeast) return a >= limit;
  if constexpr (order == Order::kAtMost) return a <= limit;
  if constexpr (order == Order::kAbove) return a > limit;
  return a < limit;
}

constexpr const char* kOrderNames[] = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};

template <Order order>
bool obeys_bound(Validator& v, const Json&, const Json& limit, const Json& value) {
  if (!value.is_number() || in_order<order>(exact_number(value), exact_number(limit))) return true;
  return v.fail("is " + short_text(value) + "; " + argument_text(kOrderNames[static_cast<int>(order)], limit));
}

bool obeys_multiple_of(Validator& v, const Json&, const Json& divisor, const Json& value) {
  if (!value.is_number() || is_multiple(value, divisor)) return true;
  return v.fail("is " + short_text(value) + "; " + argument_text("multipleOf", divisor));
}

template <Order order>
bool obeys_length(Validator& v, const Json&, const Json& limit, const Json& value) {
  if (!value.is_string()) return true;
  const auto& text = value.get_ref<const std::string&>();
  const size_t n = count_characters(text);
  v.charge(text.size() / kBytesPerStep);
  if (in_order<order>(static_cast<long double>(n), exact_number(limit))) return true;
  return v.fail("is " + short_text(value) + " with " + std::to_string(n) + " characters; " +
                argument_text(order == Order::kAtLeast ? "minLength" : "maxLength", limit));
}

bool obeys_pattern(Validator& v, const Json&, const Json& pattern, const Json& value) {
  if (!value.is_string()) return true;
  if (v.matches(pattern.get_ref<const std::string&>(), value.get_ref<const std::string&>())) return true;
  return v.fail("is " + short_text(value) + "; " + argument_text("pattern", pattern));
}

template <Order order>
bool obeys_items_count(Validator& v, const Json&, const Json& limit, const Json& value) {
  if (!value.is_array() || in_order<order>(static_cast<long double>(value.size()), exact_number(limit))) return true;
  return v.fail("has " + std::to_string(value.size()) + " elements; " +
                argument_text(order == Order::kAtLeast ? "minItems" : "maxItems", limit));
}

template <Order order>
bool obeys_members_count(Validator& v, const Json&, const Json& limit, const Json& value) {
  if (!value.is_object() || in_order<order>(static_cast<long double>(value.size()), exact_number(limit))) return true;
  return v.fail("has " + std::to_string(value.size()) + " members; " +
                argument_text(order == Order::kAtLeast ? "minProperties" : "maxProperties", limit));
}

bool obeys_unique_items(Validator& v, const Json&, const Json& wanted, const Json& value) {
  if (!value.is_array() || !wanted.get<bool>()) return true;
  std::set<std::string> seen;
  for (const Json& element : value) {
    if (v.stopped()) return false;
    if (!seen.insert(paid_key(v, element)).second) {
      return v.fail("has " + short_text(element) + " twice; uniqueItems true");
    }
  }
  return true;
}

// The first schemas of an array's elements, one each.
bool obeys_list(Validator& v, const Json& schemas, const Json& value) {
  for (size_t i = 0; i < std::min(schemas.size(), value.size()); ++i) {
    if (!v.visit_element(schemas[i], i, value[i])) return false;
  }
  return true;
}

bool obeys_rest(Validator& v, const Json& schema, const Json& value, size_t from) {
  for (size_t i = from; i < value.size(); ++i) {
    if (!v.visit_element(schema, i, value[i])) return false;
  }
  return true;
}

bool obeys_prefix_items(Validator& v, const Json&, const Json& schemas, const Json& value) {
  return !value.is_array() || obeys_list(v, schemas, value);
}

bool obeys_items(Validator& v, const Json& schema, const Json& items, const Json& value) {
  if (!value.is_array()) return true;
  if (items.is_array()) return obeys_list(v, items, value);
  const auto prefix = schema.find("prefixItems");
  return obeys_rest(v, items, value, prefix == schema.end() ? 0 : prefix->size());
}

bool obeys_additional_items(Validator& v, const Json& schema, const Json& rest, const Json& value) {
  const auto items = schema.find("items");
  if (!value.is_array() || items == schema.end() || !items->is_array()) return true;
  return obeys_rest(v, rest, value, items->size());
}

bool obeys_contains(Validator& v, const Json&, const Json& schema, const Json& value) {
  if (!value.is_array()) return true;
  for (size_t i = 0; i < value.size() && !v.stopped(); ++i) {
    if (v.visit_element(schema, i, value[i])) return true;
  }
  return v.fail("has no element, of " + std::to_string(value.size()) + ", that obeys contains");
}

bool obeys_properties(Validator& v, const Json&, const Json& schemas, const Json& value) {
  if (!value.is_object()) return true;
  for (const auto& [key, member] : value.items()) {
    if (!v.charge(1 + schemas.size() / kBytesPerStep)) return false;
    const auto schema = schemas.find(key);
    if (schema != schemas.end() && !v.visit_member(*schema, key, member)) return false;
  }
  return true;
}

bool obeys_pattern_properties(Validator& v, const Json&, const Json& schemas, const Json& value) {
  if (!value.is_object()) return true;
  for (const auto& [key, member] : value.items()) {
    for (const auto& [pattern, schema] : schemas.items()) {
      if (v.matches(pattern, key) && !v.visit_member(schema, key, member)) return false;
      if (v.stopped()) return false;
    }
  }
  return true;
}

// Whether properties or patternProperties speak of the member.
bool is_described(Validator& v, const Json& schema, const std::string& key) {
  if (const auto named = schema.find("properties"); named != schema.end()) {
    v.charge(1 + named->size() / kBytesPerStep);
    if (named->contains(key)) return true;
  }
  const auto patterns = schema.find("patternProperties");
  if (patterns == schema.end()) return false;
  for (const auto& [pattern, unused] : patterns->items()) {
    if (v.matches(pattern, key)) return true;
  }
  return false;
}

bool obeys_additional_properties(Validator& v, const Json& schema, const Json& rest, const Json& value) {
  if (!value.is_object()) return true;
  for (const auto& [key, member] : value.items()) {
    if (is_described(v, schema, key)) continue;
    if (rest == false) return v.fail("has the member " + quoted_start(key) + "; additionalProperties false");
    if (!v.visit_member(rest, key, member)) return false;
  }
  return true;
}

bool obeys_property_names(Validator& v, const Json&, const Json& schema, const Json& value) {
  if (!value.is_object()) return true;
  for (const auto& [key, member] : value.items()) {
    if (v.visit(schema, Json(key))) continue;
    if (v.violation) v.violation->problem = "the name " + quoted_start(key) + " " + v.violation->problem;
    return false;
  }
  return true;
}

bool has_all(Validator& v, const Json& names, const Json& value, const std::string& because) {
  for (const Json& name : names) {
    if (!v.charge(1 + value.size() / kBytesPerStep)) return false;
    if (!value.contains(name.get_ref<const std::string&>())) {
      return v.fail("is " + short_text(value) + " without the member " + short_text(name) + "; " + because);
    }
  }
  return true;
}

bool obeys_required(Validator& v, const Json&, const Json& names, const Json& value) {
  return !value.is_object() || has_all(v, names, value, argument_text("required", names));
}

bool obeys_dependent_required(Validator& v, const Json&, const Json& dependents, const Json& value) {
  if (!value.is_object()) return true;
  for (const auto& [key, names] : dependents.items()) {
    if (!v.charge(1 + value.size() / kBytesPerStep)) return false;
    if (!value.contains(key)) continue;
    if (!has_all(v, names, value, "dependentRequired of " + quoted_start(key) + " " + short_text(names))) return false;
  }
  return true;
}

bool obeys_all_of(Validator& v, const Json&, const Json& schemas, const Json& value) {
  for (const Json& schema : schemas) {
    if (!v.visit(schema, value)) return false;
  }
  return true;
}

// How many of the schemas the value obeys, up to `enough`. The violation that lies deepest is the one to tell.
size_t count_obeyed(Validator& v, const Json& schemas, const Json& value, size_t enough) {
  std::optional<SchemaViolation> deepest;
  size_t n = 0;
  for (const Json& schema : schemas) {
    if (v.visit(schema, value) && ++n == enough) break;
    if (v.stopped()) break;
    if (v.violation && (!deepest || v.violation->pointer.size() > deepest->pointer.size())) deepest = v.violation;
  }
  v.violation = std::move(deepest);
  return n;
}

bool fail_all(Validator& v, const char* keyword, size_t n) {
  const SchemaViolation nearest = v.violation.value_or(SchemaViolation{});
  return v.fail("obeys none of the " + std::to_string(n) + " schemas of " + keyword +
                "; the nearest: " + (nearest.pointer.empty() ? "it" : nearest.pointer) + " " + nearest.problem);
}

bool obeys_any_of(Validator& v, const Json&, const Json& schemas, const Json& value) {
  return count_obeyed(v, schemas, value, 1) > 0 || fail_all(v, "anyOf", schemas.size());
}

bool obeys_one_of(Validator& v, const Json&, const Json& schemas, const Json& value) {
  const size_t n = count_obeyed(v, schemas, value, 2);
  if (n == 0) return fail_all(v, "oneOf", schemas.size());
  return n == 1 || v.fail("is " + short_text(value) + " and obeys more than one schema of oneOf");
}

bool obeys_not(Validator& v, const Json&, const Json& schema, const Json& value) {
  return !v.visit(schema, value) || v.fail("is " + short_text(value) + " and obeys the schema of not");
}

bool obeys_if(Validator& v, const Json& schema, const Json& condition, const Json& value) {
  const auto branch = schema.find(v.visit(condition, value) ? "then" : "else");
  return branch == schema.end() || v.visit(*branch, value);
}

bool obeys_ref(Validator& v, const Json&, const Json& reference, const Json& value) {
  const auto target = resolve_schema_ref(v.root(), reference.get_ref<const std::string&>());
  return target.ok() && v.visit(**target, value);  // compile() saw that it leads somewhere
}

using enum SchemaShape;

constexpr SchemaKeyword kKeywords[] = {
    {"type", kTypes, false, obeys_type},
    {"enum", kValues, false, obeys_enum},
    {"const", kAnything, false, obeys_const},
    {"minimum", kNumber, false, obeys_bound<Order::kAtLeast>},
    {"maximum", kNumber, false, obeys_bound<Order::kAtMost>},
    {"exclusiveMinimum", kNumber, false, obeys_bound<Order::kAbove>},
    {"exclusiveMaximum", kNumber, false, obeys_bound<Order::kBelow>},
    {"multipleOf", kPositive, false, obeys_multiple_of},
    {"minLength", kCount, false, obeys_length<Order::kAtLeast>},
    {"maxLength", kCount, false, obeys_length<Order::kAtMost>},
    {"pattern", kPattern, false, obeys_pattern},
    {"items", kSchemaOrList, false, obeys_items},
    {"prefixItems", kSchemas, false, obeys_prefix_items},
    {"additionalItems", kSchema, false, obeys_additional_items},
    {"contains", kSchema, false, obeys_contains},
    {"minItems", kCount, false, obeys_items_count<Order::kAtLeast>},
    {"maxItems", kCount, false, obeys_items_count<Order::kAtMost>},
    {"uniqueItems", kFlag, false, obeys_unique_items},
    {"properties", kSchemaByName, false, obeys_properties},
    {"patternProperties", kSchemaByPattern, false, obeys_pattern_properties},
    {"additionalProperties", kSchema, false, obeys_additional_properties},
    {"propertyNames", kSchema, false, obeys_property_names},
    {"required", kNames, false, obeys_required},
    {"dependentRequired", kNamesByName, false, obeys_dependent_required},
    {"minProperties", kCount, false, obeys_members_count<Order::kAtLeast>},
    {"maxProperties", kCount, false, obeys_members_count<Order::kAtMost>},
    {"allOf", kSchemas, true, obeys_all_of},
    {"anyOf", kSchemas, true, obeys_any_of},
    {"oneOf", kSchemas, true, obeys_one_of},
    {"not", kSchema, true, obeys_not},
    {"if", kSchema, true, obeys_if},
    {"then", kSchema, true, nullptr},
    {"else", kSchema, true, nullptr},
    {"$ref", kReference, true, obeys_ref},
    {"$defs", kSchemaByName, false, nullptr},
    {"definitions", kSchemaByName, false, nullptr},
    {"title", kText, false, nullptr},
    {"description", kText, false, nullptr},
    {"default", kAnything, false, nullptr},
    {"examples", kAnything, false, nullptr},
    {"format", kText, false, nullptr},
    {"deprecated", kFlag, false, nullptr},
    {"readOnly", kFlag, false, nullptr},
    {"writeOnly", kFlag, false, nullptr},
    {"$comment", kText, false, nullptr},
    {"$schema", kText, false, nullptr},
    {"$id", kText, false, nullptr},
};

}  // namespace

const SchemaKeyword* find_schema_keyword(std::string_view name) {
  for (const SchemaKeyword& keyword : kKeywords) {
    if (name == keyword.name) return &keyword;
  }
  return nullptr;
}

Result<std::optional<SchemaViolation>> SchemaValidator::run(const Json& value) {
  const bool obeys = visit(schema_.root_, value);
  if (error_) return *error_;
  if (obeys) return std::optional<SchemaViolation>();
  return std::move(violation);
}

bool SchemaValidator::visit(const Json& schema, const Json& value) {
  if (!charge(kStepsPerSchema)) return false;
  if (schema.is_boolean()) return schema.get<bool>() || fail("is " + short_text(value) + "; the schema is false");
  if (++depth_ > kMaxDepth) {
    error_ = Error{ErrorCode::kCapacity, "the schema: deeper than " + std::to_string(kMaxDepth) + " at " + at_};
    return false;
  }
  bool obeys = true;
  for (const auto& [name, argument] : schema.items()) {
    const SchemaKeyword* keyword = find_schema_keyword(name);
    if (keyword->obeys == nullptr) continue;
    obeys = charge(kStepsPerSchema) && keyword->obeys(*this, schema, argument, value) && !stopped();
    if (!obeys) break;
  }
  --depth_;
  return obeys;
}

bool SchemaValidator::visit_at(const Json& schema, const std::string& token, const Json& value) {
  const size_t size = at_.size();
  at_ += token;
  const bool obeys = visit(schema, value);
  at_.resize(size);
  return obeys;
}

bool SchemaValidator::visit_member(const Json& schema, const std::string& key, const Json& value) {
  return visit_at(schema, pointer_token(key), value);
}

bool SchemaValidator::visit_element(const Json& schema, size_t index, const Json& value) {
  return visit_at(schema, "/" + std::to_string(index), value);
}

bool SchemaValidator::fail(std::string problem) {
  violation = SchemaViolation{at_, std::move(problem)};
  return false;
}

bool SchemaValidator::matches(std::string_view pattern, std::string_view text) {
  if (stopped()) return false;
  const auto found = schema_.patterns_.find(pattern);
  if (found == schema_.patterns_.end()) return false;  // compile() put them all there
  auto result = found->second.matches(text, &budget_);
  if (result.ok()) return *result;
  error_ = std::move(result).error();
  return false;
}

bool SchemaValidator::charge(uint64_t steps) {
  if (stopped()) return false;
  if (steps <= budget_.steps) {
    budget_.steps -= steps;
    return true;
  }
  error_ =
      Error{ErrorCode::kCapacity, "the schema takes more work than a check may at " + (at_.empty() ? "the top" : at_)};
  return false;
}

Result<std::optional<SchemaViolation>> JsonSchema::validate(const Json& value) const {
  return SchemaValidator(*this).run(value);
}

}  // namespace kedge::router
