#include "engine/grammar/json_schema_forms.h"

#include <algorithm>

#include "engine/grammar/json_schema_keywords.h"

namespace kedge::engine::grammar {

using base::ErrorCode;

namespace {

constexpr int kLookDepth = 3;
constexpr size_t kMaxTried = 2048;  // bytes
constexpr size_t kMaxOpen = 256;    // schemas in place within each other

// Whose keywords mean what they mean here. A dialect of somebody's own may leave out validation.
bool is_known_dialect(std::string_view uri) {
  for (const char* known : {"json-schema.org/draft", "json-schema.org/schema", "spec.openapis.org/"}) {
    if (uri.find(known) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

Conj SchemaForms::conj_of(uint32_t place, bool negated) const {
  const Json& schema = places_.json(place);
  const bool anything =
      schema.is_boolean() ? schema.get<bool>() != negated : schema.is_object() && schema.empty() && !negated;
  return anything ? Conj{} : Conj{Atom{place, false, negated}};
}

std::string SchemaForms::stuck(uint32_t place, std::string_view keyword, const char* why) const {
  return places_.at(place, keyword) + ": the keyword '" + std::string(keyword) + "' cannot be enforced " + why;
}

Status SchemaForms::note_text(const std::string& text, const std::string& pointer) {
  longest_ = std::max(longest_, text.size());
  if (!has_patterns_ || longest_ <= kMaxTried) return {};
  return schema_error(
      ErrorCode::kCapacity, pointer,
      "a name or value of more than " + std::to_string(kMaxTried) + " bytes in a schema with patterns or formats");
}

Status SchemaForms::note_pattern(const std::string& pointer) {
  has_patterns_ = true;
  return note_text("", pointer);
}

Result<Form> SchemaForms::form_of(const Conj& conj) {
  if (conj.size() == 1) return form_of(conj[0]);
  if (const auto known = conjs_.find(conj); known != conjs_.end()) return known->second;
  Form all = Form::any();
  for (const Atom& atom : conj) {
    KEDGE_ASSIGN(one, form_of(atom));
    KEDGE_TRY(meet(all, one));
  }
  conjs_[conj] = all;
  return all;
}

Result<Form> SchemaForms::form_of(const Atom& atom) {
  if (const auto known = atoms_.find(atom); known != atoms_.end()) return known->second;
  if (open_.size() > kMaxOpen) {
    return schema_error(ErrorCode::kCapacity, places_.pointer(atom.place),
                        "more than " + std::to_string(kMaxOpen) + " schemas of one value within each other");
  }
  if (!open_.insert(atom).second) {
    circle_ = true;
    return schema_error(ErrorCode::kInvalidArgument, places_.pointer(atom.place),
                        "the schema refers to itself in place: it would never end");
  }
  auto made = make(atom);
  open_.erase(atom);
  if (made.ok()) atoms_[atom] = *made;
  return made;
}

Result<Form> SchemaForms::make(const Atom& atom) {
  if (atom.constant && places_.json(atom.place).is_string()) {
    KEDGE_TRY(note_text(places_.json(atom.place).get_ref<const std::string&>(), places_.pointer(atom.place)));
  }
  if (atom.constant) return atom.negated ? not_constant_form(atom.place) : constant_form(atom.place);
  const Json& schema = places_.json(atom.place);
  KEDGE_TRY(check_keywords(schema, places_.pointer(atom.place)));
  if (schema.is_boolean()) return schema.get<bool>() != atom.negated ? Form::any() : Form();
  for (const char* id : {"$id", "id"}) {
    if (atom.place == places_.root() || !schema.contains(id) || schema[id].get<std::string>().starts_with("#"))
      continue;
    return schema_error(ErrorCode::kUnsupported, places_.at(atom.place, id),
                        "the keyword '" + std::string(id) + "' is supported at the top only");
  }
  if (schema.contains("$schema") && !is_known_dialect(schema["$schema"].get_ref<const std::string&>())) {
    return schema_error(ErrorCode::kUnsupported, places_.at(atom.place, "$schema"),
                        "the keyword '$schema' names a dialect that is not known");
  }
  for (const char* content : {"contentEncoding", "contentMediaType"}) {
    if (!schema.contains(content) || !places_.is_old_draft()) continue;
    return schema_error(
        ErrorCode::kUnsupported, places_.at(atom.place, content),
        "the keyword '" + std::string(content) + "' cannot be enforced, as the draft of $schema lets it be");
  }
  if (schema.contains("$ref") && places_.is_old_draft()) {
    for (const auto& [key, argument] : schema.items()) {
      if (key == "$ref" || key.starts_with("x-") || find_keyword(key)->role == KeywordRole::kAnnotates) continue;
      return schema_error(ErrorCode::kUnsupported, places_.at(atom.place, key),
                          "the keyword '" + key + "' stands beside a $ref, where the draft of $schema ignores it");
    }
  }
  KEDGE_ASSIGN(form, atom.negated ? not_typed(atom.place) : typed(atom.place));
  KEDGE_TRY(atom.negated ? add_not_combined(atom.place, form) : add_combined(atom.place, form));
  return form;
}

Status SchemaForms::meet(Form& form, const Form& other) {
  bool too_many = false;
  const bool alone = form.is_any() || other.is_any();
  form = both_of(form, other, grammar_, too_many);
  if (too_many) {
    return schema_error(ErrorCode::kCapacity, places_.pointer(places_.root()),
                        "alternatives that multiply to more than " + std::to_string(kMaxCases));
  }
  return alone ? Status() : prune(form);
}

Status SchemaForms::prune(Form& form) {
  if (looking_ >= kLookDepth) return {};
  std::vector<ArrayCase> arrays;
  for (ArrayCase& one : form.arrays) {
    bool empty = false;
    for (size_t i = 0; i < std::min(one.least, one.prefix.size() + 1) && !empty; ++i) {
      KEDGE_ASSIGN(cannot, seems_empty(i < one.prefix.size() ? one.prefix[i] : one.rest));
      empty = cannot;
    }
    if (!empty) arrays.push_back(std::move(one));
  }
  form.arrays = std::move(arrays);
  std::vector<ObjectCase> objects;
  for (ObjectCase& one : form.objects) {
    bool empty = false;
    for (size_t i = 0; i < one.required.size() && !empty; ++i) {
      KEDGE_ASSIGN(cannot, seems_empty(one.value_of(one.required[i], grammar_)));
      empty = cannot;
    }
    if (!empty) objects.push_back(std::move(one));
  }
  form.objects = std::move(objects);
  return {};
}

Result<bool> SchemaForms::seems_empty(const Conj& conj) {
  if (conj.empty()) return false;
  ++looking_;
  const bool before = std::exchange(circle_, false);
  auto form = form_of(conj);
  --looking_;
  const bool circle = std::exchange(circle_, before);
  if (form.ok()) return form->is_nothing();
  if (circle) return false;  // a value within that is like this one: whether it can end is seen later
  return std::move(form).error();
}

Form SchemaForms::constant_form(uint32_t place) {
  const Json& value = places_.json(place);
  Form form;
  form.null = value.is_null();
  form.yes = value.is_boolean() && value.get<bool>();
  form.no = value.is_boolean() && !value.get<bool>();
  if (value.is_number()) form.numbers.push_back(NumberCase::only(Decimal::of(value)));
  if (value.is_string()) form.strings.push_back({.values = {{value.get<std::string>()}}});
  if (value.is_array()) {
    ArrayCase one;
    one.least = one.most = value.size();
    for (size_t i = 0; i < value.size(); ++i) {
      one.prefix.push_back(constant(places_.below(place, value[i], std::to_string(i))));
    }
    form.arrays.push_back(std::move(one));
  }
  if (value.is_object()) {
    ObjectCase one;
    ObjectCase::Keys keys{{}, {}, never(), true};
    for (const auto& [key, member] : value.items()) {
      keys.named.emplace_back(key, constant(places_.below(place, member, key)));
      one.required.push_back(key);
    }
    one.keys.push_back(std::move(keys));
    form.objects.push_back(std::move(one));
  }
  return form;
}

Form SchemaForms::not_constant_form(uint32_t place) {
  const Json& value = places_.json(place);
  Form form = Form::any();
  if (value.is_null()) form.null = false;
  if (value.is_boolean()) (value.get<bool>() ? form.yes : form.no) = false;
  if (value.is_number()) {
    const NumberCase::Bound bound{Decimal::of(value), true};
    form.numbers = {{.low = {}, .high = bound}, {.low = bound, .high = {}}};
  }
  if (value.is_string()) form.strings = {{.excluded = {value.get<std::string>()}}};
  if (value.is_array()) {
    form.arrays = {{.least = value.size() + 1}};
    if (!value.empty()) form.arrays.push_back({.most = value.size() - 1});
    for (size_t i = 0; i < value.size(); ++i) {
      ArrayCase other{.prefix = std::vector<Conj>(i + 1), .least = value.size(), .most = value.size()};
      other.prefix[i] = constant(places_.below(place, value[i], std::to_string(i)), true);
      form.arrays.push_back(std::move(other));
    }
  }
  if (value.is_object()) {
    form.objects = {{.least = value.size() + 1}};
    for (const auto& [key, member] : value.items()) {
      form.objects.push_back({.absent = {key}});
      ObjectCase other{.required = {key}};
      other.keys.push_back({{{key, constant(places_.below(place, member, key), true)}}, {}, {}, false});
      form.objects.push_back(std::move(other));
    }
  }
  return form;
}

}  // namespace kedge::engine::grammar
