#include "engine/grammar/json_schema.h"

#include <string>

#include "engine/grammar/json_schema_keywords.h"
#include "engine/grammar/json_schema_text.h"

namespace kedge::engine::grammar {

using base::ErrorCode;
using NodeId = Grammar::NodeId;

namespace {

constexpr int kMaxDepth = 256;  // values within values, before a schema repeats

// Whether a text can be made at all, rules included: only those count whose parts can, from the inside out.
class Productive {
 public:
  explicit Productive(const Grammar& grammar)
      : grammar_(grammar), ends_(grammar.nodes().size()), rules_(grammar.n_rules()) {
    for (bool changed = true; changed;) {
      changed = false;
      for (NodeId id = 0; id < ends_.size(); ++id) {
        if (!ends_[id] && can(grammar.node(id))) changed = ends_[id] = true;
      }
      for (Grammar::RuleId rule = 0; rule < rules_.size(); ++rule) {
        if (!rules_[rule] && grammar.defined(rule) && ends_[grammar.body(rule)]) changed = rules_[rule] = true;
      }
    }
  }
  bool operator()(NodeId id) const { return ends_[id]; }

 private:
  bool can(const Grammar::Node& node) const {
    size_t n = 0;
    for (const NodeId part : node.parts) n += ends_[part] ? 1 : 0;
    switch (node.kind) {
      case Grammar::Kind::kText:
      case Grammar::Kind::kMarker:
        return true;
      case Grammar::Kind::kChars:
        return !node.chars.empty();
      case Grammar::Kind::kChoice:
        return n > 0;
      case Grammar::Kind::kSequence:
      case Grammar::Kind::kBoth:
        return n == node.parts.size();
      case Grammar::Kind::kRepeat:
        return node.least == 0 || n > 0;
      case Grammar::Kind::kRule:
        return rules_[node.rule];
      case Grammar::Kind::kWithout:
        return ends_[node.parts[0]];
    }
    return false;
  }

  const Grammar& grammar_;
  std::vector<bool> ends_;
  std::vector<bool> rules_;
};

}  // namespace

bool SchemaText::is_nothing(NodeId id) const {
  const Grammar::Node& node = grammar_.node(id);
  return (node.kind == Grammar::Kind::kChoice && node.parts.empty()) ||
         (node.kind == Grammar::Kind::kChars && node.chars.empty());
}

Result<NodeId> SchemaText::node_of(const Conj& conj) {
  if (conj.empty()) return text_.any_value();
  if (const auto known = known_.find(conj); known != known_.end()) {
    if (known->second.node) return *known->second.node;
    known->second.used = true;
    return grammar_.rule(known->second.rule);
  }
  const std::string pointer = places_.pointer(conj[0].place);  // a copy: forms add places
  if (depth_ >= kMaxDepth) {
    return schema_error(ErrorCode::kCapacity, pointer, "values nested deeper than " + std::to_string(kMaxDepth));
  }
  KEDGE_TRY(grammar_.status());
  KEDGE_ASSIGN(form, forms_.form_of(conj));
  if (form.is_any()) return text_.any_value();
  if (form.arrays.empty() && form.objects.empty()) {
    KEDGE_ASSIGN(node, make(form, pointer));
    known_[conj].node = node;
    return node;
  }
  Known& known = known_[conj];  // stays where it is
  known.rule = grammar_.declare(pointer.empty() ? "schema" : pointer);
  ++depth_;
  auto body = make(form, pointer);
  --depth_;
  if (!body.ok()) return body;
  grammar_.define(known.rule, *body);
  known.node = is_nothing(*body) && !known.used ? *body : grammar_.rule(known.rule);
  return *known.node;
}

Result<NodeId> SchemaText::make(const Form& form, const std::string& pointer) {
  std::vector<NodeId> ways;
  const auto add = [&](NodeId node) {
    if (!is_nothing(node)) ways.push_back(node);
  };
  for (const ObjectCase& one : form.objects) {
    KEDGE_ASSIGN(node, object_node(one));
    add(node);
  }
  for (const ArrayCase& one : form.arrays) {
    KEDGE_ASSIGN(node, array_node(one));
    add(node);
  }
  for (const StringCase& one : form.strings) {
    if (one.is_any()) {
      add(text_.any_string());
    } else if (const NodeId content = string_content(one, grammar_); !is_nothing(content)) {
      add(text_.string_of(content));
    }
  }
  for (const NumberCase& one : form.numbers) {
    const auto node = number_text(one, text_);
    if (!node.ok())
      return schema_error(node.error().code, pointer, "the numbers it accepts need " + node.error().message);
    add(*node);
  }
  if (form.yes) add(grammar_.text("true"));
  if (form.no) add(grammar_.text("false"));
  if (form.null) add(grammar_.text("null"));
  return grammar_.choice(ways);
}

Result<NodeId> read_json_schema(const Json& schema, std::string_view pointer, const JsonStyle& style, Grammar& into) {
  SchemaPlaces places(schema, std::string(pointer));
  SchemaText text(places, style, into);
  KEDGE_TRY(check_keywords(schema, std::string(pointer)));
  KEDGE_ASSIGN(node, text.node_of({Atom{places.root(), false, false}}));
  KEDGE_TRY(into.status());
  if (!Productive(into)(node)) {
    return schema_error(ErrorCode::kInvalidArgument, std::string(pointer),
                        "no value that ends obeys it; it contradicts itself");
  }
  return node;
}

}  // namespace kedge::engine::grammar
