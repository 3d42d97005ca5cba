// JSON's own grammar (RFC 8259), in a style: the pieces that expressions of schemas are made of.
//   Strings of a language have one spelling for every character: itself where JSON lets it, else the short escape, else
//   \u00xx. A string that may be any is spelled in any way; so are its \u escapes, but surrogates come in pairs only.
//   Numbers have at most kMaxWholeDigits digits before the point, kMaxFractionDigits behind it and two of an exponent:
//   every one is finite as a double, and a model that repeats digits comes to an end.
#pragma once

#include <map>
#include <optional>
#include <string_view>

#include "engine/grammar/grammar.h"
#include "engine/grammar/json_schema.h"
#include "kernels/base/json.h"

namespace kedge::engine::grammar {

inline constexpr int kMaxWholeDigits = 19;
inline constexpr int kMaxFractionDigits = 17;

class JsonText {
 public:
  using NodeId = Grammar::NodeId;

  JsonText(const JsonStyle& style, Grammar& into) : style_(style), grammar_(into) {}

  NodeId comma() { return with_spaces(","); }
  NodeId colon() { return with_spaces(":"); }
  // Quotes around the characters of `content`, a regular expression, escaped.
  NodeId string_of(NodeId content);
  NodeId string(std::string_view content) { return string_of(grammar_.text(content)); }
  NodeId any_string();
  NodeId any_number();
  NodeId any_integer();
  NodeId any_value();
  NodeId any_array();
  NodeId any_object();
  // An array of `least` to `most` elements.
  NodeId list(NodeId element, size_t least, size_t most);

  Grammar& grammar() { return grammar_; }

 private:
  NodeId with_spaces(std::string_view token);
  NodeId escaped(NodeId node);
  NodeId escaped_chars(const std::vector<CharRange>& ranges);
  NodeId make_any_string();

  JsonStyle style_;
  Grammar& grammar_;
  std::map<NodeId, NodeId> escaped_, quoted_;
  std::optional<NodeId> string_, number_, integer_, value_, array_, object_;
};

}  // namespace kedge::engine::grammar
