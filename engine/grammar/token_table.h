// Which tokens may follow: for each state of an automaton once what holds whatever called it, for a place in a text the
// rest. The idea of XGrammar (Dong et al., arXiv:2411.15100): few tokens depend on more than the innermost call.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/grammar/automaton.h"
#include "engine/grammar/matcher.h"
#include "engine/grammar/vocabulary.h"
#include "engine/token_filter.h"
#include "kernels/base/result.h"

namespace kedge::engine::grammar {

// Of one state, and those alike.
struct StateTokens {
  std::vector<uint64_t> bits = {};  // tokens that stay in the call or end with it; empty: `few`
  std::vector<int32_t> few = {};
  std::vector<uint32_t> exits = {};  // nodes of the vocabulary at which the call may end, and longer tokens go on
  uint32_t most_cost = 0;            // tokens to the call's end, at most, behind one of those
  size_t bytes() const { return sizeof *this + bits.size() * 8 + few.size() * 4 + exits.size() * 4; }
};

// Of one constraint; shared by its generations, on any threads. Both outlive it.
class TokenTable {
 public:
  static constexpr size_t kMaxBytes = size_t{64} << 20;  // what is beyond is worked out again each time

  TokenTable(const Automaton& automaton, const Vocabulary& vocabulary);
  ~TokenTable();
  TokenTable(const TokenTable&) = delete;
  TokenTable& operator=(const TokenTable&) = delete;

  // Works out states, those near the start first, for so many milliseconds.
  void prepare(double ms);
  // Sets the bits of the tokens that may come at the matcher's place and after which the text can end within `left`
  // tokens, this one included; of tokens that end a generation when it may end here. The matcher is left as it was.
  // Errors: kCapacity (a limit of the matcher).
  Status fill(Matcher& at, size_t left, TokenBits out) const;

  const Automaton& automaton() const { return automaton_; }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  struct Loop {
    uint64_t classes = 0;  // of bytes behind which the state is alike
    uint32_t cost = 0;     // in the midst of a character, at most
  };

  Loop find_loop(uint32_t state) const;
  bool returns(uint32_t from, std::span<const std::array<uint8_t, 2>> ranges, uint32_t to, uint32_t& cost) const;
  // `hold` owns it when the table does not.
  Result<const StateTokens*> get(uint32_t state, std::unique_ptr<const StateTokens>& hold) const;
  Result<std::unique_ptr<StateTokens>> work_out(uint32_t state) const;
  template <class Own, class Below>
  Status walk(Matcher& at, uint32_t first, uint32_t last, unsigned above, Own own, Below below) const;
  Status fill_exits(Matcher& at, std::span<const StateTokens* const> known, uint32_t limit, TokenBits out) const;
  bool fill_below(const Matcher& at, uint32_t n, Matcher::Item item, uint32_t limit, TokenBits out) const;
  Status fill_all(Matcher& at, uint32_t limit, TokenBits out) const;
  void fill_specials(Matcher& at, uint32_t limit, TokenBits out) const;

  const Automaton& automaton_;
  const Vocabulary& vocabulary_;
  std::vector<uint32_t> class_;  // by state: those of one class have the same tokens (engine/grammar/lookahead.h)
  std::vector<uint32_t> first_;  // by class: its first state
  std::vector<Loop> loops_;      // by class
  mutable std::vector<std::atomic<const StateTokens*>> known_;
  mutable std::atomic<size_t> bytes_ = 0;
};

}  // namespace kedge::engine::grammar
