// Which expressions of a grammar become automata of their own, called like subroutines, and which are copied into those
// that use them: what is recursive has to be called; what is large and used in several places is, so that states (and
// what is known about tokens in them) are shared; what is small is copied, so that alternatives are told apart by their
// bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/grammar/grammar.h"
#include "kernels/base/result.h"

namespace kedge::engine::grammar {

class Parts {
 public:
  using NodeId = Grammar::NodeId;
  static constexpr uint32_t kNone = ~uint32_t{0};
  static constexpr size_t kMaxDepth = 2048;  // expressions within each other; rules that are not recursive count too

  // Of the grammar's start. Errors: a rule that is used and not defined (kInvalidArgument), kCapacity (too deep), and
  // those of Grammar::status(). The grammar outlives it.
  static Result<Parts> of(const Grammar& grammar);

  // The expression behind rules that are nothing but another expression; kNone when they go round in a circle.
  NodeId resolve(NodeId node) const;
  // Of a resolved expression: the number of its automaton, kNone when it is copied. 0 is the start's.
  uint32_t callee(NodeId node) const { return callee_[node]; }
  // By number.
  const std::vector<NodeId>& callees() const { return callees_; }
  // Contains no call of itself, nor anything that does.
  bool regular(NodeId node) const { return !facts_[node].recursive; }
  uint64_t size(NodeId node) const { return facts_[node].size; }

 private:
  struct Facts {
    uint64_t size = 0;  // NFA states when everything is copied, saturating
    uint32_t depth = 0;
    bool recursive = false;  // a cycle can be reached from it
    bool wide = false;       // a loop over many characters is in it: such states are worth sharing
    bool cycle = false;      // it is on a cycle itself
    bool closed = false;     // its texts end by something of their own, not by what follows
  };

  explicit Parts(const Grammar& grammar) : grammar_(&grammar) {}
  Status analyse();
  std::vector<NodeId> below(NodeId node) const;
  void settle(std::vector<NodeId>& component);
  Facts facts_of(NodeId node) const;
  bool closed(NodeId node) const;
  bool large(NodeId node) const;
  void call(NodeId node);
  void choose_callees();
  void visit(NodeId node, uint64_t next, uint64_t& last_next);
  void visit_repeat(NodeId node, uint64_t& last_next);

  const Grammar* grammar_;
  std::vector<Facts> facts_;
  std::vector<uint32_t> callee_;
  std::vector<NodeId> callees_;
  uint64_t written_out_ = 0;    // NFA states of a repetition, at most; a longer one's part is called
  std::vector<uint64_t> seen_;  // during a visit: what follows an expression where it was met
};

}  // namespace kedge::engine::grammar
