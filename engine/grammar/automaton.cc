#include "engine/grammar/automaton.h"

#include "engine/grammar/parts.h"

namespace kedge::engine::grammar {

class AutomatonMaker {
 public:
  explicit AutomatonMaker(std::vector<Dfa> dfas) : dfas_(std::move(dfas)) {}

  Result<Automaton> make() {
    const std::vector<bool> callable = ends_by([](const Dfa::State&) { return true; });
    for (Dfa& dfa : dfas_) {
      trim(dfa, callable);
      minimise(dfa);
    }
    if (dfas_.empty() || dfas_[0].states.empty()) {
      return Error{ErrorCode::kInvalidArgument, "no text matches the grammar"};
    }
    Automaton automaton;
    automaton.nullable_ = ends_by([](const Dfa::State&) { return false; });
    for (const Dfa& dfa : dfas_) append(dfa, automaton);
    append_state(Dfa::State{}, 0, automaton);
    automaton.costs_.assign(automaton.n_states(), Automaton::kNever);
    return automaton;
  }

 private:
  // Which automata come from their start to an end, if bytes may be read where `reads` says so, and calls are those of
  // automata which do. What is called mostly has a higher number.
  template <class F>
  std::vector<bool> ends_by(F reads) const {
    std::vector<bool> ends(dfas_.size(), false);
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = dfas_.size(); i-- > 0;) {
        if (ends[i] || !reaches_end(dfas_[i], ends, reads)) continue;
        ends[i] = true;
        changed = true;
      }
    }
    return ends;
  }

  template <class F>
  static bool reaches_end(const Dfa& dfa, const std::vector<bool>& callable, F reads) {
    if (dfa.states.empty()) return false;
    std::vector<bool> seen(dfa.states.size(), false);
    std::vector<uint32_t> queue = {0};
    seen[0] = true;
    const auto reach = [&](uint32_t to) {
      if (seen[to]) return;
      seen[to] = true;
      queue.push_back(to);
    };
    for (size_t i = 0; i < queue.size(); ++i) {
      const Dfa::State& state = dfa.states[queue[i]];
      if (state.accepting) return true;
      if (reads(state)) {
        for (const ByteEdge& e : state.edges) reach(e.to);
      }
      for (const Jump& j : state.calls) {
        if (callable[j.label]) reach(j.to);
      }
    }
    return false;
  }

  void append(const Dfa& dfa, Automaton& automaton) const {
    const auto base = static_cast<uint32_t>(automaton.states_.size());
    automaton.starts_.push_back(base);
    for (const Dfa::State& state : dfa.states) append_state(state, base, automaton);
  }

  static void append_state(const Dfa::State& state, uint32_t base, Automaton& automaton) {
    const bool no_calls = state.calls.empty();
    automaton.states_.push_back({.edges = static_cast<uint32_t>(automaton.edges_.size()),
                                 .calls = static_cast<uint32_t>(automaton.calls_.size()),
                                 .specials = static_cast<uint32_t>(automaton.specials_.size()),
                                 .accepting = state.accepting,
                                 .plain = no_calls && !state.accepting,
                                 .last = state.accepting && no_calls && state.edges.empty() && state.specials.empty(),
                                 .open = state.open});
    for (const ByteEdge& e : state.edges) automaton.edges_.push_back({e.first, e.last, e.to + base});
    for (const Jump& j : state.calls) automaton.calls_.push_back({j.label, j.to + base});
    for (const Jump& j : state.specials) automaton.specials_.push_back({j.label, j.to + base});
  }

  std::vector<Dfa> dfas_;
};

size_t Automaton::bytes() const {
  return states_.capacity() * sizeof(State) + edges_.capacity() * sizeof(ByteEdge) +
         (calls_.capacity() + specials_.capacity()) * sizeof(Jump) + (starts_.capacity() + costs_.capacity()) * 4;
}

Result<Automaton> compile(const Grammar& grammar, const SpecialTexts& specials, std::span<const Grammar::NodeId> open) {
  KEDGE_ASSIGN(parts, Parts::of(grammar));
  CompileBudget budget;
  NfaBuilder builder(grammar, parts, specials, open, budget);
  std::vector<Dfa> dfas;
  for (const Grammar::NodeId body : parts.callees()) {
    KEDGE_ASSIGN(dfa, builder.automaton(body));
    dfas.push_back(std::move(dfa));
  }
  return AutomatonMaker(std::move(dfas)).make();
}

}  // namespace kedge::engine::grammar
