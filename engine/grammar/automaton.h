// A grammar as one automaton over bytes: finite automata that call each other. Immutable.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/grammar/dfa.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/nfa_builder.h"
#include "kernels/base/result.h"

namespace kedge::engine::grammar {

class Automaton {
 public:
  static constexpr uint32_t kNever = uint32_t{1} << 30;  // of costs

  size_t n_states() const { return states_.size() - 1; }
  size_t n_callees() const { return starts_.size(); }
  // Callee 0 is the whole text's.
  uint32_t start(uint32_t callee) const { return starts_[callee]; }
  bool nullable(uint32_t callee) const { return nullable_[callee]; }

  std::span<const ByteEdge> edges(uint32_t s) const { return of(edges_, &State::edges, s); }
  std::span<const Jump> calls(uint32_t s) const { return of(calls_, &State::calls, s); }  // label: callee
  // label: number of the control token's text, as compile() was given them
  std::span<const Jump> specials(uint32_t s) const { return of(specials_, &State::specials, s); }
  bool accepting(uint32_t s) const { return states_[s].accepting; }
  // Neither calls anything nor may end: all that happens in it is a byte.
  bool plain(uint32_t s) const { return states_[s].plain; }
  // Control tokens may stand for their bytes.
  bool open(uint32_t s) const { return states_[s].open; }
  // Nothing but its callee's end is left.
  bool last(uint32_t s) const { return states_[s].last; }
  // The state behind a byte, or kNone.
  static constexpr uint32_t kNone = ~uint32_t{0};
  uint32_t next(uint32_t s, uint8_t byte) const {
    for (uint32_t e = states_[s].edges; e < states_[s + 1].edges; ++e) {
      if (byte <= edges_[e].last) return byte >= edges_[e].first ? edges_[e].to : kNone;
    }
    return kNone;
  }
  // Behind several.
  uint32_t next(uint32_t s, std::string_view bytes) const {
    for (size_t i = 0; i < bytes.size() && s != kNone; ++i) s = next(s, static_cast<uint8_t>(bytes[i]));
    return s;
  }

  // Tokens from a state to its callee's end along the shortest text; kNever until find_costs()
  // (engine/grammar/costs.h).
  uint32_t cost(uint32_t s) const { return costs_[s]; }
  void set_costs(std::vector<uint32_t> costs) { costs_ = std::move(costs); }
  size_t bytes() const;

 private:
  struct State {
    uint32_t edges;  // the first of them; the next state has the end
    uint32_t calls;
    uint32_t specials;
    bool accepting;
    bool plain;
    bool last;
    bool open;
  };
  friend class AutomatonMaker;
  template <class T>
  std::span<const T> of(const std::vector<T>& all, uint32_t State::*first, uint32_t s) const {
    return std::span(all).subspan(states_[s].*first, states_[s + 1].*first - states_[s].*first);
  }

  std::vector<State> states_;  // and one behind the last
  std::vector<ByteEdge> edges_;
  std::vector<Jump> calls_;
  std::vector<Jump> specials_;
  std::vector<uint32_t> starts_;
  std::vector<bool> nullable_;
  std::vector<uint32_t> costs_;
};

// `open`: expressions made by without() in which control tokens may stand for their bytes, as what comes before a
// constraint begins to hold. Errors: those of Parts::of and NfaBuilder; nothing matches (kInvalidArgument).
Result<Automaton> compile(const Grammar& grammar, const SpecialTexts& specials,
                          std::span<const Grammar::NodeId> open = {});

}  // namespace kedge::engine::grammar
