// Keywords that are made of other schemas of the same value, and of constants.
#include <string>

#include "engine/grammar/json_schema_forms.h"
#include "engine/grammar/json_schema_keywords.h"

namespace kedge::engine::grammar {

namespace {

constexpr size_t kMaxOneOf = 256;

}  // namespace

std::vector<uint32_t> SchemaForms::parts_of(uint32_t place, std::string_view keyword) {
  const Json& list = places_.json(place)[keyword];
  std::vector<uint32_t> parts;
  for (size_t i = 0; i < list.size(); ++i) {
    parts.push_back(places_.of(list[i], places_.at(place, keyword) + "/" + std::to_string(i)));
  }
  return parts;
}

Result<Form> SchemaForms::union_of(const std::vector<uint32_t>& parts, bool negated) {
  Form all;
  for (const uint32_t part : parts) {
    KEDGE_ASSIGN(one, form_of(Atom{part, false, negated}));
    all.add(std::move(one));
  }
  return all;
}

Result<Form> SchemaForms::intersection_of(const std::vector<uint32_t>& parts, bool negated) {
  Form all = Form::any();
  for (const uint32_t part : parts) {
    KEDGE_ASSIGN(one, form_of(Atom{part, false, negated}));
    KEDGE_TRY(meet(all, one));
  }
  return all;
}

// Each part without the others; those that share nothing with it need no leaving out.
Result<Form> SchemaForms::one_of(const std::vector<uint32_t>& parts) {
  if (parts.size() > kMaxOneOf) {
    return schema_error(base::ErrorCode::kCapacity, places_.pointer(parts[kMaxOneOf]),
                        "'oneOf' of more than " + std::to_string(kMaxOneOf) + " schemas, each compared with each");
  }
  std::vector<Form> forms;
  for (const uint32_t part : parts) {
    KEDGE_ASSIGN(form, form_of(Atom{part, false, false}));
    forms.push_back(std::move(form));
  }
  std::vector<std::vector<size_t>> overlaps(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    for (size_t k = i + 1; k < parts.size(); ++k) {
      Form common = forms[i];
      KEDGE_TRY(meet(common, forms[k]));
      if (common.is_nothing()) continue;
      overlaps[i].push_back(k);
      overlaps[k].push_back(i);
    }
  }
  Form all;
  for (size_t i = 0; i < parts.size(); ++i) {
    Form mine = forms[i];
    for (const size_t k : overlaps[i]) {
      Form common = mine;  // what others left of it
      KEDGE_TRY(meet(common, forms[k]));
      if (common.is_nothing()) continue;
      KEDGE_ASSIGN(others, form_of(Atom{parts[k], false, true}));
      KEDGE_TRY(meet(mine, others));
    }
    all.add(std::move(mine));
  }
  return all;
}

Result<Form> SchemaForms::not_one_of(const std::vector<uint32_t>& parts) {
  KEDGE_ASSIGN(all, intersection_of(parts, true));
  for (size_t i = 0; i < parts.size(); ++i) {
    for (size_t k = i + 1; k < parts.size(); ++k) {
      KEDGE_ASSIGN(two, intersection_of({parts[i], parts[k]}, false));
      all.add(std::move(two));
    }
  }
  return all;
}

Result<Form> SchemaForms::when(uint32_t place, const Json& schema, bool negated) {
  const uint32_t condition = places_.below(place, schema["if"], "if");
  Form all;
  for (const bool holds : {true, false}) {
    const char* branch = holds ? "then" : "else";
    KEDGE_ASSIGN(form, form_of(Atom{condition, false, !holds}));
    if (schema.contains(branch)) {
      KEDGE_ASSIGN(then, form_of(Atom{places_.below(place, schema[branch], branch), false, negated}));
      KEDGE_TRY(meet(form, then));
    } else if (negated) {
      continue;
    }
    all.add(std::move(form));
  }
  return all;
}

Result<Form> SchemaForms::target_of(uint32_t place, const Json& schema, bool negated) {
  const std::string at = places_.at(place, "$ref");
  KEDGE_ASSIGN(target, places_.resolve(schema["$ref"].get_ref<const std::string&>(), at));
  return form_of(Atom{target, false, negated});
}

Status SchemaForms::add_combined(uint32_t place, Form& form) {
  const Json& schema = places_.json(place);
  const auto add = [&](Result<Form> other) -> Status {
    if (!other.ok()) return std::move(other).error();
    return meet(form, *other);
  };
  if (schema.contains("const")) {
    KEDGE_TRY(add(form_of(constant(places_.below(place, schema["const"], "const")))));
  }
  if (schema.contains("enum")) {
    Form values;
    StringCase strings{.values = std::set<std::string>()};
    for (const uint32_t part : parts_of(place, "enum")) {
      const Json& value = places_.json(part);
      if (value.is_string()) {
        KEDGE_TRY(note_text(value.get_ref<const std::string&>(), places_.pointer(part)));
        strings.values->insert(value.get<std::string>());
      } else {
        values.add(constant_form(part));
      }
    }
    if (!strings.values->empty()) values.strings.push_back(std::move(strings));
    KEDGE_TRY(add(std::move(values)));
  }
  if (schema.contains("$ref")) KEDGE_TRY(add(target_of(place, schema, false)));
  if (schema.contains("allOf")) KEDGE_TRY(add(intersection_of(parts_of(place, "allOf"), false)));
  if (schema.contains("anyOf")) KEDGE_TRY(add(union_of(parts_of(place, "anyOf"), false)));
  if (schema.contains("oneOf")) KEDGE_TRY(add(one_of(parts_of(place, "oneOf"))));
  if (schema.contains("not")) KEDGE_TRY(add(form_of(Atom{places_.below(place, schema["not"], "not"), false, true})));
  if (schema.contains("if")) KEDGE_TRY(add(when(place, schema, false)));
  return add_dependent(place, form);
}

Status SchemaForms::add_not_combined(uint32_t place, Form& form) {
  const Json& schema = places_.json(place);
  const auto add = [&](Result<Form> other) -> Status {
    if (!other.ok()) return std::move(other).error();
    form.add(std::move(*other));
    return {};
  };
  if (schema.contains("const")) {
    KEDGE_TRY(add(form_of(constant(places_.below(place, schema["const"], "const"), true))));
  }
  if (schema.contains("enum")) {
    Form none = Form::any();
    for (const uint32_t part : parts_of(place, "enum")) KEDGE_TRY(meet(none, not_constant_form(part)));
    KEDGE_TRY(add(std::move(none)));
  }
  if (schema.contains("$ref")) KEDGE_TRY(add(target_of(place, schema, true)));
  if (schema.contains("allOf")) KEDGE_TRY(add(union_of(parts_of(place, "allOf"), true)));
  if (schema.contains("anyOf")) KEDGE_TRY(add(intersection_of(parts_of(place, "anyOf"), true)));
  if (schema.contains("oneOf")) KEDGE_TRY(add(not_one_of(parts_of(place, "oneOf"))));
  if (schema.contains("not")) KEDGE_TRY(add(form_of(Atom{places_.below(place, schema["not"], "not"), false, false})));
  if (schema.contains("if")) KEDGE_TRY(add(when(place, schema, true)));
  return add_not_dependent(place, form);
}

namespace {

Form with_objects(std::vector<ObjectCase> objects) {
  Form form = Form::any();
  form.objects = std::move(objects);
  return form;
}

}  // namespace

Status SchemaForms::add_dependent(uint32_t place, Form& form) {
  const Json& schema = places_.json(place);
  for (const char* keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    if (!schema.contains(keyword)) continue;
    for (const auto& [key, argument] : schema[keyword].items()) {
      ObjectCase all{.required = {key}};
      if (argument.is_array()) {
        for (const Json& name : argument) {
          if (!all.requires_key(name.get<std::string>())) all.required.push_back(name.get<std::string>());
        }
        KEDGE_TRY(meet(form, with_objects({{.absent = {key}}, all})));
        continue;
      }
      const uint32_t part = places_.of(argument, places_.at(place, keyword) + pointer_token(key));
      KEDGE_ASSIGN(obeys, form_of(Atom{part, false, false}));
      // Values that are no objects have no keys, so nothing is asked of them.
      Form present = with_objects({all});
      KEDGE_TRY(meet(present, obeys));
      Form either = with_objects({{.absent = {key}}});
      for (ObjectCase& one : present.objects) either.objects.push_back(std::move(one));
      KEDGE_TRY(meet(form, either));
    }
  }
  return {};
}

Status SchemaForms::add_not_dependent(uint32_t place, Form& form) {
  const Json& schema = places_.json(place);
  for (const char* keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    if (!schema.contains(keyword)) continue;
    for (const auto& [key, argument] : schema[keyword].items()) {
      if (argument.is_array()) {
        for (const Json& name : argument) {
          if (name != key) form.objects.push_back({.required = {key}, .absent = {name.get<std::string>()}});
        }
        continue;
      }
      const uint32_t part = places_.of(argument, places_.at(place, keyword) + pointer_token(key));
      KEDGE_ASSIGN(refuses, form_of(Atom{part, false, true}));
      Form present;
      present.objects = {{.required = {key}}};
      KEDGE_TRY(meet(present, refuses));
      form.add(std::move(present));
    }
  }
  return {};
}

}  // namespace kedge::engine::grammar
