// Schemas into forms. Negations are pushed down to where they are complements of languages, so that `not`, `oneOf` and
// `if` cost nothing but cases; what has no complement of that kind is a case that is stuck, and an error where it is
// still there when texts are made.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/grammar/json_schema_form.h"
#include "engine/grammar/json_schema_places.h"

namespace kedge::engine::grammar {

class SchemaForms {
 public:
  SchemaForms(SchemaPlaces& places, Grammar& grammar) : places_(places), grammar_(grammar) {}

  // Errors: kInvalidArgument, kUnsupported with a JSON pointer; kCapacity (more than kMaxCases).
  Result<Form> form_of(const Conj& conj);
  // The schema at a place, or the constant.
  Conj conj_of(uint32_t place, bool negated = false) const;
  Conj constant(uint32_t place, bool negated = false) const { return {Atom{place, true, negated}}; }
  Conj never() const { return {Atom{places_.nothing(), false, false}}; }

 private:
  Result<Form> form_of(const Atom& atom);
  Result<Form> make(const Atom& atom);
  // Of the keywords that stand alone (json_schema_typed.cc): a form each for what they accept, or refuse.
  Result<Form> typed(uint32_t place);
  Result<Form> not_typed(uint32_t place);
  Result<std::optional<NumberCase>> numbers(uint32_t place, const Json& schema);  // nothing: none
  Result<StringCase> strings(uint32_t place, const Json& schema);
  Result<ArrayCase> arrays(uint32_t place, const Json& schema);
  Result<ObjectCase> objects(uint32_t place, const Json& schema);
  Status not_numbers(uint32_t place, const Json& schema, Form& out);
  Status not_strings(uint32_t place, const Json& schema, Form& out);
  Status not_arrays(uint32_t place, const Json& schema, Form& out);
  Status not_objects(uint32_t place, const Json& schema, Form& out);
  // A name or value that patterns may be tried on: beside patterns its length is limited, as the work is its square.
  Status note_text(const std::string& text, const std::string& pointer);
  Status note_pattern(const std::string& pointer);
  Result<Grammar::NodeId> pattern(const std::string& text, const std::string& pointer);
  Result<std::optional<Grammar::NodeId>> format(const Json& schema, uint32_t place);
  // Keywords that a simple reading cannot give what they need (json_schema_unevaluated.cc).
  Status add_unevaluated(uint32_t place, const Json& schema, ArrayCase& arrays);
  Status add_unevaluated(uint32_t place, const Json& schema, ObjectCase& objects);
  struct Evaluated;
  Status find_evaluated(uint32_t place, const std::string& because, Evaluated& out);
  // Of those that are made of other schemas (json_schema_combined.cc).
  Status add_combined(uint32_t place, Form& form);
  Status add_not_combined(uint32_t place, Form& form);
  Status add_dependent(uint32_t place, Form& form);
  Status add_not_dependent(uint32_t place, Form& form);
  Result<Form> one_of(const std::vector<uint32_t>& parts);
  Result<Form> not_one_of(const std::vector<uint32_t>& parts);
  Result<Form> when(uint32_t place, const Json& schema, bool negated);
  Result<Form> target_of(uint32_t place, const Json& schema, bool negated);
  std::vector<uint32_t> parts_of(uint32_t place, std::string_view keyword);
  Result<Form> union_of(const std::vector<uint32_t>& parts, bool negated);
  Result<Form> intersection_of(const std::vector<uint32_t>& parts, bool negated);
  // Constants.
  Form constant_form(uint32_t place);
  Form not_constant_form(uint32_t place);

  Status meet(Form& form, const Form& other);
  // Leaves out arrays and objects that need an element nobody can give, as far as a short look shows.
  Status prune(Form& form);
  Result<bool> seems_empty(const Conj& conj);
  std::string stuck(uint32_t place, std::string_view keyword, const char* why) const;

  SchemaPlaces& places_;
  Grammar& grammar_;
  std::map<Atom, Form> atoms_;
  std::map<Conj, Form> conjs_;
  std::set<Atom> open_;
  std::map<std::string, Grammar::NodeId> patterns_;
  bool has_patterns_ = false;
  size_t longest_ = 0;   // text that was noted, in bytes
  int looking_ = 0;      // depth of prune
  bool circle_ = false;  // an atom was asked for while it is being made
};

}  // namespace kedge::engine::grammar
