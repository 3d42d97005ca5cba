// Expressions of a grammar written out as the states of an NFA.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/grammar/dfa.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/parts.h"
#include "kernels/base/result.h"

namespace kedge::engine::grammar {

// Control tokens by the numbers that Jump::label has for them.
using SpecialTexts = std::vector<std::string>;

class NfaBuilder {
 public:
  // `open`: as of compile().
  NfaBuilder(const Grammar& grammar, const Parts& parts, const SpecialTexts& specials,
             std::span<const Grammar::NodeId> open, CompileBudget& budget)
      : grammar_(grammar), parts_(parts), specials_(specials), open_(open), budget_(budget) {}

  // The automaton of an expression that is called. Errors: kCapacity (the budget); kUnsupported (both() or without() of
  // what is recursive).
  Result<Dfa> automaton(Grammar::NodeId body);

 private:
  using NodeId = Grammar::NodeId;
  struct Scope {  // one NFA
    Nfa nfa;
    bool bytes_only;  // nothing is called, and markers are texts
    std::unordered_map<uint64_t, uint32_t> built;
  };

  Result<Dfa> automaton(NodeId body, bool bytes_only);
  uint32_t add(Scope& scope);
  // The state from which texts of the expression lead to `next`.
  Result<uint32_t> build(Scope& scope, NodeId node, uint32_t next);
  Result<uint32_t> build_body(Scope& scope, NodeId node, uint32_t next);
  uint32_t text(Scope& scope, std::string_view text, uint32_t next);
  uint32_t marker(Scope& scope, std::string_view text, uint32_t next);
  uint32_t chars(Scope& scope, const Grammar::Node& node, uint32_t next);
  Result<uint32_t> repeat(Scope& scope, const Grammar::Node& node, uint32_t next);
  Result<uint32_t> embed(Scope& scope, NodeId node, uint32_t next);
  Result<Dfa> operation(const Grammar::Node& node);

  const Grammar& grammar_;
  const Parts& parts_;
  const SpecialTexts& specials_;
  std::span<const NodeId> open_;
  CompileBudget& budget_;
  std::unordered_map<NodeId, Dfa> operations_;  // both() and without()
};

}  // namespace kedge::engine::grammar
