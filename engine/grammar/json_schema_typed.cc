// Keywords that speak of one type: what they accept.
#include <algorithm>
#include <cmath>
#include <string>

#include "engine/grammar/json_schema_forms.h"
#include "engine/grammar/json_schema_keywords.h"

namespace kedge::engine::grammar {

using base::ErrorCode;

namespace {

// Ranges that OpenAPI names as formats of numbers.
struct NumberFormat {
  const char* name;
  const char* low;  // null: no bound
  const char* high;
};
constexpr NumberFormat kNumberFormats[] = {
    {"int8", "-128", "127"},
    {"int16", "-32768", "32767"},
    {"int32", "-2147483648", "2147483647"},
    {"int64", "-9223372036854775808", "9223372036854775807"},
    {"uint8", "0", "255"},
    {"uint16", "0", "65535"},
    {"uint32", "0", "4294967295"},
    {"uint64", "0", "18446744073709551615"},
    {"float", nullptr, nullptr},
    {"double", nullptr, nullptr},
};

const NumberFormat* number_format(const Json& schema) {
  const auto format = schema.find("format");
  if (format == schema.end()) return nullptr;
  const auto found = std::find_if(std::begin(kNumberFormats), std::end(kNumberFormats),
                                  [&](const NumberFormat& f) { return *format == f.name; });
  return found == std::end(kNumberFormats) ? nullptr : found;
}

size_t count(const Json& schema, const char* key, size_t otherwise) {
  return schema.contains(key) ? static_cast<size_t>(schema[key].get<double>()) : otherwise;
}

bool flag(const Json& schema, const char* key) {
  return schema.contains(key) && schema[key].is_boolean() && schema[key].get<bool>();
}

bool has_type(const Json& schema, std::string_view name) {
  const Json& types = schema["type"];
  if (types.is_string()) return types == name;
  return std::any_of(types.begin(), types.end(), [&](const Json& type) { return type == name; });
}

std::vector<NumberCase::Bound> bounds(const Json& schema, const char* inclusive, const char* exclusive) {
  std::vector<NumberCase::Bound> out;
  if (schema.contains(inclusive)) out.push_back({Decimal::of(schema[inclusive]), flag(schema, exclusive)});
  if (schema.contains(exclusive) && schema[exclusive].is_number())
    out.push_back({Decimal::of(schema[exclusive]), true});
  return out;
}

std::optional<Json> parsed(const char* text) {
  return text == nullptr ? std::nullopt : std::optional(Json::parse(text));
}

// Arrays with `least` to `most` elements that obey.
ArrayCase containing(const Conj& conj, size_t least, size_t most) {
  if (conj.empty()) return {.least = least, .most = most};
  return {.contains = {{conj, 0, least, most}}};
}

// Types that a schema lets through, whatever else it says.
Form types_of(const Json& schema) {
  Form form = Form::any();
  if (!schema.contains("type")) return form;
  const auto has = [&](const char* name) { return has_type(schema, name); };
  form.null = has("null") || flag(schema, "nullable");
  form.yes = form.no = has("boolean");
  if (!has("string")) form.strings.clear();
  if (!has("array")) form.arrays.clear();
  if (!has("object")) form.objects.clear();
  if (!has("number")) {
    form.numbers.clear();
    if (has("integer")) form.numbers.push_back({.kind = NumberCase::Kind::kWhole});
  }
  return form;
}

Form not_types_of(const Json& schema) {
  Form form;
  if (!schema.contains("type")) return form;
  const auto has = [&](const char* name) { return has_type(schema, name); };
  form.null = !has("null") && !flag(schema, "nullable");
  form.yes = form.no = !has("boolean");
  if (!has("string")) form.strings.emplace_back();
  if (!has("array")) form.arrays.emplace_back();
  if (!has("object")) form.objects.emplace_back();
  if (!has("number"))
    form.numbers.push_back({.kind = has("integer") ? NumberCase::Kind::kFraction : NumberCase::Kind::kAny});
  return form;
}

}  // namespace

Result<Form> SchemaForms::typed(uint32_t place) {
  const Json& schema = places_.json(place);
  Form of_types = types_of(schema);
  KEDGE_ASSIGN(number, numbers(place, schema));
  KEDGE_ASSIGN(string, strings(place, schema));
  KEDGE_ASSIGN(array, arrays(place, schema));
  KEDGE_ASSIGN(object, objects(place, schema));
  Form form;
  form.null = form.yes = form.no = true;
  if (number) form.numbers.push_back(*number);
  if (string.least <= string.most) form.strings.push_back(string);
  if (array.least <= array.most) form.arrays.push_back(array);
  if (object.least <= object.most && object.required.size() <= object.most) form.objects.push_back(object);
  KEDGE_TRY(meet(form, of_types));
  return form;
}

Result<Form> SchemaForms::not_typed(uint32_t place) {
  const Json& schema = places_.json(place);
  Form form = not_types_of(schema);
  KEDGE_TRY(not_numbers(place, schema, form));
  KEDGE_TRY(not_strings(place, schema, form));
  KEDGE_TRY(not_arrays(place, schema, form));
  KEDGE_TRY(not_objects(place, schema, form));
  return form;
}

Result<std::optional<NumberCase>> SchemaForms::numbers(uint32_t place, const Json& schema) {
  std::optional<NumberCase> all = NumberCase();
  const auto add = [&](const NumberCase& one) {
    if (all) all = both_of(*all, one);
  };
  for (const auto& bound : bounds(schema, "minimum", "exclusiveMinimum")) add({.low = bound});
  for (const auto& bound : bounds(schema, "maximum", "exclusiveMaximum")) add({.high = bound});
  if (schema.contains("multipleOf")) {
    const Decimal divisor = Decimal::of(schema["multipleOf"]);
    const auto digits = divisor.digits();
    if (!digits) {
      return schema_error(ErrorCode::kUnsupported, places_.at(place, "multipleOf"),
                          "the keyword 'multipleOf' is supported up to 19 digits");
    }
    add({.divisors = {{*digits, divisor.fraction.size(), true}}});
  }
  if (const NumberFormat* format = number_format(schema)) {
    if (const auto low = parsed(format->low)) add({.low = NumberCase::Bound{Decimal::of(*low)}});
    if (const auto high = parsed(format->high)) add({.high = NumberCase::Bound{Decimal::of(*high)}});
  }
  return all;
}

Status SchemaForms::not_numbers(uint32_t place, const Json& schema, Form& out) {
  KEDGE_TRY(numbers(place, schema));
  for (const auto& bound : bounds(schema, "minimum", "exclusiveMinimum")) {
    out.numbers.push_back({.high = NumberCase::Bound{bound.value, !bound.open}});
  }
  for (const auto& bound : bounds(schema, "maximum", "exclusiveMaximum")) {
    out.numbers.push_back({.low = NumberCase::Bound{bound.value, !bound.open}});
  }
  if (schema.contains("multipleOf")) {
    const Decimal divisor = Decimal::of(schema["multipleOf"]);
    out.numbers.push_back({.divisors = {{*divisor.digits(), divisor.fraction.size(), false}}});
  }
  if (const NumberFormat* format = number_format(schema)) {
    if (const auto low = parsed(format->low))
      out.numbers.push_back({.high = NumberCase::Bound{Decimal::of(*low), true}});
    if (const auto high = parsed(format->high))
      out.numbers.push_back({.low = NumberCase::Bound{Decimal::of(*high), true}});
  }
  return {};
}

Result<Grammar::NodeId> SchemaForms::pattern(const std::string& text, const std::string& pointer) {
  if (const auto known = patterns_.find(text); known != patterns_.end()) return known->second;
  KEDGE_TRY(note_pattern(pointer));
  auto node = read_pattern(text, grammar_);
  if (!node.ok()) return schema_error(node.error().code, pointer, node.error().message);
  return patterns_[text] = *node;
}

Result<std::optional<Grammar::NodeId>> SchemaForms::format(const Json& schema, uint32_t place) {
  std::optional<Grammar::NodeId> none;
  if (!schema.contains("format") || number_format(schema) != nullptr) return none;
  const std::string name = schema["format"].get<std::string>();
  const auto regex = format_pattern(name);
  if (!regex) {
    return schema_error(ErrorCode::kUnsupported, places_.at(place, "format"),
                        "the format '" + name + "' cannot be enforced");
  }
  if (regex->empty()) return none;
  const std::string key = "format " + name;  // no pattern: those are kept by their text, without "^"
  if (const auto known = patterns_.find(key); known != patterns_.end()) return std::optional(known->second);
  KEDGE_TRY(note_pattern(places_.at(place, "format")));
  auto node = read_regex(*regex, grammar_);
  if (!node.ok()) return schema_error(ErrorCode::kInternal, places_.at(place, "format"), node.error().message);
  return std::optional(patterns_[key] = *node);
}

Result<StringCase> SchemaForms::strings(uint32_t place, const Json& schema) {
  StringCase one;
  one.least = count(schema, "minLength", 0);
  one.most = count(schema, "maxLength", kNoLimit);
  if (schema.contains("pattern")) {
    KEDGE_ASSIGN(node, pattern(schema["pattern"].get<std::string>(), places_.at(place, "pattern")));
    one.in.push_back(node);
  }
  KEDGE_ASSIGN(node, format(schema, place));
  if (node) one.in.push_back(*node);
  return one;
}

Status SchemaForms::not_strings(uint32_t place, const Json& schema, Form& out) {
  KEDGE_ASSIGN(one, strings(place, schema));
  if (one.least > 0) out.strings.push_back({.most = one.least - 1});
  if (one.most != kNoLimit) out.strings.push_back({.least = one.most + 1});
  for (const auto node : one.in) out.strings.push_back({.out = {node}});
  return {};
}

Result<ArrayCase> SchemaForms::arrays(uint32_t place, const Json& schema) {
  ArrayCase one{.at = places_.pointer(place)};
  one.least = count(schema, "minItems", 0);
  one.most = count(schema, "maxItems", kNoLimit);
  const auto conj = [&](const Json& json, const std::string& pointer) { return conj_of(places_.of(json, pointer)); };
  const bool old_list = schema.contains("items") && schema["items"].is_array();
  const char* list = old_list ? "items" : "prefixItems";
  const char* rest = old_list ? "additionalItems" : "items";
  if (old_list && schema.contains("prefixItems")) {
    return schema_error(ErrorCode::kInvalidArgument, places_.at(place, "items"),
                        "'items' has to be a schema beside prefixItems");
  }
  if (schema.contains(list)) {
    const Json& schemas = schema[list];
    for (size_t i = 0; i < schemas.size(); ++i) {
      one.prefix.push_back(conj(schemas[i], places_.at(place, list) + "/" + std::to_string(i)));
    }
    one.listed = !schema.contains(rest);
  }
  if (schema.contains(rest)) one.rest = conj(schema[rest], places_.at(place, rest));
  if (schema.contains("contains")) {
    const size_t least = count(schema, "minContains", 1);
    const size_t most = count(schema, "maxContains", kNoLimit);
    const ArrayCase with = containing(conj(schema["contains"], places_.at(place, "contains")), least, most);
    one.least = std::max(one.least, with.least);
    one.most = least > most ? 0 : std::min(one.most, with.most);
    if (least > most) one.least = 1;  // obeyed by no array
    if (least > 0 || most != kNoLimit) one.contains = with.contains;
  }
  if (flag(schema, "uniqueItems")) one.unique = places_.at(place, "uniqueItems");
  KEDGE_TRY(add_unevaluated(place, schema, one));
  return one;
}

Status SchemaForms::not_arrays(uint32_t place, const Json& schema, Form& out) {
  KEDGE_ASSIGN(one, arrays(place, schema));
  if (schema.contains("unevaluatedItems")) {
    out.arrays.push_back({.stuck = stuck(place, "unevaluatedItems", "where it is negated")});
  }
  if (schema.contains("minItems") && count(schema, "minItems", 0) > 0) {
    out.arrays.push_back({.most = count(schema, "minItems", 0) - 1});
  }
  if (schema.contains("maxItems")) out.arrays.push_back({.least = count(schema, "maxItems", 0) + 1});
  const auto negated = [](Conj conj) {  // of one schema
    for (Atom& atom : conj) atom.negated = !atom.negated;
    return conj;
  };
  for (size_t i = 0; i < one.prefix.size(); ++i) {
    if (one.prefix[i].empty()) continue;
    ArrayCase other{.prefix = std::vector<Conj>(i + 1), .least = i + 1};
    other.prefix[i] = negated(one.prefix[i]);
    out.arrays.push_back(std::move(other));
  }
  if (!one.rest.empty()) {
    ArrayCase other{.least = one.prefix.size() + 1};
    other.contains.push_back({negated(one.rest), one.prefix.size(), 1, kNoLimit});
    out.arrays.push_back(std::move(other));
  }
  if (schema.contains("contains")) {
    const Conj conj = conj_of(places_.below(place, schema["contains"], "contains"));
    const size_t least = count(schema, "minContains", 1);
    const size_t most = count(schema, "maxContains", kNoLimit);
    if (least > 0) out.arrays.push_back(containing(conj, 0, least - 1));
    if (most != kNoLimit) out.arrays.push_back(containing(conj, most + 1, kNoLimit));
  }
  if (!one.unique.empty()) out.arrays.push_back({.stuck = stuck(place, "uniqueItems", "where it is negated")});
  return {};
}

Result<ObjectCase> SchemaForms::objects(uint32_t place, const Json& schema) {
  ObjectCase one{.at = places_.pointer(place)};
  one.least = count(schema, "minProperties", 0);
  one.most = count(schema, "maxProperties", kNoLimit);
  ObjectCase::Keys keys;
  if (schema.contains("properties")) {
    for (const auto& [key, member] : schema["properties"].items()) {
      KEDGE_TRY(note_text(key, places_.at(place, "properties")));
      keys.named.emplace_back(key, conj_of(places_.of(member, places_.at(place, "properties") + pointer_token(key))));
    }
  }
  if (schema.contains("patternProperties")) {
    for (const auto& [key, member] : schema["patternProperties"].items()) {
      const std::string pointer = places_.at(place, "patternProperties") + pointer_token(key);
      KEDGE_ASSIGN(node, pattern(key, pointer));
      keys.patterns.emplace_back(node, conj_of(places_.of(member, pointer)));
    }
  }
  keys.speaks_of_rest = schema.contains("additionalProperties");
  if (keys.speaks_of_rest) {
    keys.rest = conj_of(places_.below(place, schema["additionalProperties"], "additionalProperties"));
  }
  if (!keys.named.empty() || !keys.patterns.empty() || keys.speaks_of_rest) one.keys.push_back(std::move(keys));
  if (schema.contains("required")) one.required = schema["required"].get<std::vector<std::string>>();
  for (const std::string& key : one.required) KEDGE_TRY(note_text(key, places_.at(place, "required")));
  if (schema.contains("propertyNames")) {
    const Conj names = conj_of(places_.below(place, schema["propertyNames"], "propertyNames"));
    if (!names.empty()) one.names.push_back(names);
  }
  KEDGE_TRY(add_unevaluated(place, schema, one));
  return one;
}

Status SchemaForms::not_objects(uint32_t place, const Json& schema, Form& out) {
  KEDGE_ASSIGN(one, objects(place, schema));
  if (schema.contains("minProperties") && count(schema, "minProperties", 0) > 0) {
    out.objects.push_back({.most = count(schema, "minProperties", 0) - 1});
  }
  if (schema.contains("maxProperties")) out.objects.push_back({.least = count(schema, "maxProperties", 0) + 1});
  for (const std::string& key : one.required) out.objects.push_back({.absent = {key}});
  if (schema.contains("properties")) {
    for (const auto& [key, member] : schema["properties"].items()) {
      const uint32_t at = places_.of(member, places_.at(place, "properties") + pointer_token(key));
      if (conj_of(at).empty()) continue;
      ObjectCase other{.required = {key}};
      other.keys.push_back({{{key, conj_of(at, true)}}, {}, {}, false});
      out.objects.push_back(std::move(other));
    }
  }
  for (const char* keyword : {"patternProperties", "additionalProperties", "propertyNames", "unevaluatedProperties"}) {
    if (!schema.contains(keyword) || schema[keyword] == true || schema[keyword] == Json::object()) continue;
    out.objects.push_back({.least = 1, .stuck = stuck(place, keyword, "where it is negated (by not, oneOf or if)")});
  }
  return {};
}

}  // namespace kedge::engine::grammar
