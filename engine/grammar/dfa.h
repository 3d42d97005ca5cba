// Finite automata over bytes, calls of other automata, and control tokens: an NFA as expressions are built into, and
// the DFA made of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::engine::grammar {

// A call or a control token, then the state behind it.
struct Jump {
  uint32_t label;
  uint32_t to;
  friend auto operator<=>(const Jump&, const Jump&) = default;
};

struct ByteEdge {
  uint8_t first;
  uint8_t last;
  uint32_t to;
  friend bool operator==(const ByteEdge&, const ByteEdge&) = default;
};

// What compile() may spend on one grammar; over it, kCapacity.
struct CompileBudget {
  static constexpr size_t kMaxNfaStates = size_t{1} << 21;
  static constexpr size_t kMaxStates = size_t{1} << 18;  // of all DFAs made on the way
  static constexpr size_t kMaxWork = size_t{1} << 24;    // NFA states looked at: about a second
  size_t nfa_states = 0;
  size_t states = 0;
  size_t work = 0;
  Status status() const;
};

struct Nfa {
  struct State {
    std::vector<uint32_t> empty = {};  // reached without a byte
    std::vector<ByteEdge> edges = {};
    std::vector<Jump> calls = {};
    std::vector<Jump> specials = {};
    bool open = false;  // control tokens may stand for their bytes
  };
  std::vector<State> states;
  uint32_t start = 0;
  uint32_t final = 0;
};

struct Dfa {
  struct State {
    std::vector<ByteEdge> edges = {};  // ascending, disjoint
    std::vector<Jump> calls = {};      // ascending, each label once
    std::vector<Jump> specials = {};   // likewise
    bool accepting = false;
    bool open = false;
    uint32_t mark = 0;  // states with different ones are different
  };
  std::vector<State> states;  // state 0 is the start; none: nothing matches
};

// Subset construction.
Result<Dfa> determinise(const Nfa& nfa, CompileBudget& budget);
// Texts of both, or of `a` that are none of `b`. Bytes only.
Result<Dfa> product(const Dfa& a, const Dfa& b, bool without, CompileBudget& budget);
// Without states that lead to no end, or to which nothing leads. `callable`: calls that can come back, by label; others
// go.
void trim(Dfa& dfa, const std::vector<bool>& callable);
// Classes of states, by state, that nothing tells apart within so many steps: Moore's refinement, which looks again
// only at states before those that changed.
std::vector<uint32_t> classes_of(const Dfa& dfa, size_t steps);
// The smallest DFA of the same texts.
void minimise(Dfa& dfa);

}  // namespace kedge::engine::grammar
