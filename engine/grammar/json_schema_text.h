// Forms as expressions: every array and object a rule of its own, named by its JSON pointer.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/grammar/json_schema_forms.h"
#include "engine/grammar/json_text.h"

namespace kedge::engine::grammar {

class SchemaText {
 public:
  using NodeId = Grammar::NodeId;

  SchemaText(SchemaPlaces& places, const JsonStyle& style, Grammar& grammar)
      : places_(places), style_(style), grammar_(grammar), text_(style, grammar), forms_(places, grammar) {}

  // Texts of the values that obey. The empty choice: none does. Errors: those of forms, kUnsupported (a case that is
  // stuck).
  Result<NodeId> node_of(const Conj& conj);

 private:
  struct Known {
    std::optional<NodeId> node;
    Grammar::RuleId rule = 0;
    bool used = false;
  };
  Result<NodeId> make(const Form& form, const std::string& pointer);
  bool is_nothing(NodeId node) const;

  // json_schema_array.cc
  struct Elements;
  Result<NodeId> array_node(const ArrayCase& arrays);
  Result<NodeId> with_contains(const ArrayCase& arrays, const Elements& elements);
  Result<NodeId> unique_node(const ArrayCase& arrays);
  NodeId elements_from(const Elements& elements, size_t i);

  // json_schema_object.cc
  struct Members;
  Result<NodeId> object_node(const ObjectCase& objects);
  Result<Members> members_of(const ObjectCase& objects);
  Status add_others(const ObjectCase& objects, Members& members);
  Result<bool> may_be_name(const ObjectCase& objects, const std::string& key);
  Result<std::optional<NodeId>> names_of(const ObjectCase& objects);
  NodeId in_order(const Members& members);
  NodeId in_any_order(const Members& members);
  Result<NodeId> counted(const ObjectCase& objects, const Members& members);

  SchemaPlaces& places_;
  JsonStyle style_;
  Grammar& grammar_;
  JsonText text_;
  SchemaForms forms_;
  std::map<Conj, Known> known_;
  int depth_ = 0;
};

}  // namespace kedge::engine::grammar
