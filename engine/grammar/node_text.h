// What can be said of an expression without an automaton: whether a text is in it, and how long its texts are.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "engine/grammar/grammar.h"

namespace kedge::engine::grammar {

// Precondition: `utf8` is valid.
std::u32string characters_of(std::string_view utf8);

// No text, and known to be so: a choice or a set of characters without any, or a sequence with one of those.
bool is_nothing(const Grammar& grammar, Grammar::NodeId node);

struct LengthRange {  // in characters
  size_t least = 0;
  size_t most = 0;
};
// Of a regular expression's texts; where both() and without() meet, the bounds may be wider than its texts.
LengthRange length_range(const Grammar& grammar, Grammar::NodeId node);

// Decides by sets of ends: exact for every expression, both() and without() of any included, but for rules that reach
// themselves at the place where they begin (left recursion), whose inner use matches nothing. Time and memory grow with
// nodes times the square of the text.
class NodeText {
 public:
  NodeText(const Grammar& grammar, std::string_view utf8) : grammar_(grammar), text_(characters_of(utf8)) {}
  bool matches(Grammar::NodeId node) { return ends(node, 0).contains(text_.size()); }

 private:
  using Ends = std::set<size_t>;
  const Ends& ends(Grammar::NodeId node, size_t start);
  Ends find_ends(const Grammar::Node& node, size_t start);
  Ends repeat_ends(const Grammar::Node& node, size_t start);

  const Grammar& grammar_;
  std::u32string text_;
  std::map<std::pair<Grammar::NodeId, size_t>, Ends> known_;
};

}  // namespace kedge::engine::grammar
