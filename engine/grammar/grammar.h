// A language of texts: rules over Unicode characters, as GBNF files, JSON schemas, regular expressions and lists of
// choices are read into. compile() (engine/grammar/automaton.h) makes bytes and states of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::engine::grammar {

// Characters first to last, both included.
struct CharRange {
  char32_t first;
  char32_t last;
};

inline constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

// Expressions are nodes of one arena, made from the inside out and shared freely. A node is "regular" when no rule can
// be reached from it that reaches itself.
class Grammar {
 public:
  enum class Kind : uint8_t { kText, kMarker, kChars, kSequence, kChoice, kRepeat, kRule, kBoth, kWithout };
  using NodeId = uint32_t;
  using RuleId = uint32_t;

  struct Node {
    Kind kind;
    std::string text = {};              // kText, kMarker
    std::vector<CharRange> chars = {};  // kChars: ascending, disjoint; none: nothing matches
    std::vector<NodeId> parts =
        {};                      // of a sequence (none: the empty text), a choice (none: nothing), 1 or 2 of the others
    size_t least = 0, most = 0;  // kRepeat
    RuleId rule = 0;             // kRule
  };

  // The limits of one grammar: beyond them no more is kept and status() is an error (kCapacity).
  static constexpr size_t kMaxNodes = 1 << 20;
  static constexpr size_t kMaxBytes = size_t{256} << 20;  // of nodes, texts and ranges

  NodeId empty() { return sequence({}); }
  NodeId nothing() { return choice({}); }
  NodeId text(std::string_view utf8);  // those characters; not UTF-8: status() says so (kInvalidArgument)
  // Those characters, as part of a chat format: control tokens of the vocabulary that are written so, or in a part of
  // it, may stand for them. Nowhere else in a text are control tokens allowed.
  NodeId marker(std::string_view utf8);
  NodeId chars(std::vector<CharRange> ranges);      // one of them, in any order, overlapping or not
  NodeId chars_but(std::vector<CharRange> ranges);  // one character (a Unicode scalar value) that is none of them
  NodeId any_char() { return chars_but({}); }
  NodeId sequence(std::span<const NodeId> parts);
  NodeId choice(std::span<const NodeId> parts);
  NodeId sequence(std::initializer_list<NodeId> parts) { return sequence(std::span(parts.begin(), parts.size())); }
  NodeId choice(std::initializer_list<NodeId> parts) { return choice(std::span(parts.begin(), parts.size())); }
  NodeId repeat(NodeId part, size_t least, size_t most = kNoLimit);
  NodeId optional(NodeId part) { return repeat(part, 0, 1); }
  // Texts of both, and texts of `a` that are none of `b`: regular expressions only; others are an error of compile().
  NodeId both(NodeId a, NodeId b);
  NodeId without(NodeId a, NodeId b);
  // A rule is declared, used by rule(), and defined once, in any order.
  RuleId declare(std::string name);
  void define(RuleId rule, NodeId body);
  NodeId rule(RuleId rule);

  void start(NodeId node) { start_ = node; }
  NodeId start() const { return start_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const Node& node(NodeId id) const { return nodes_[id]; }
  size_t n_rules() const { return names_.size(); }
  const std::string& rule_name(RuleId rule) const { return names_[rule]; }
  NodeId body(RuleId rule) const { return bodies_[rule]; }
  bool defined(RuleId rule) const { return bodies_[rule] != kUndefined; }
  Status status() const;

 private:
  static constexpr NodeId kUndefined = std::numeric_limits<NodeId>::max();
  NodeId add(Node node);
  NodeId add_text(Kind kind, std::string_view utf8);

  std::vector<Node> nodes_;
  std::vector<std::string> names_;
  std::vector<NodeId> bodies_;
  NodeId start_ = kUndefined;
  size_t bytes_ = 0;
  bool full_ = false;
  bool bad_text_ = false;
};

// Readers. Each gives an expression of `into` (rules of its own are added). Errors: kInvalidArgument with line and
// column (GBNF), offset (regular expression) or JSON pointer and keyword (schema); kUnsupported for what is well formed
// and cannot be enforced, with the same; kCapacity.
Result<Grammar::NodeId> read_gbnf(std::string_view text, Grammar& into);
// The whole text matches, as if anchored (ECMA 262 with the u flag; no back references, no look-around).
Result<Grammar::NodeId> read_regex(std::string_view pattern, Grammar& into);

}  // namespace kedge::engine::grammar
