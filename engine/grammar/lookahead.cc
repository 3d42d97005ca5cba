#include "engine/grammar/lookahead.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace kedge::engine::grammar {
namespace {

constexpr size_t kEndless = std::numeric_limits<size_t>::max();

// The longest way from any state over calls that may be empty: steps that take no byte.
size_t longest_empty_way(const Automaton& automaton) {
  const size_t n = automaton.n_states();
  std::vector<uint32_t> before(n, 0);  // how many such calls lead to a state
  const auto each = [&](uint32_t s, auto f) {
    for (const Jump& j : automaton.calls(s)) {
      if (automaton.nullable(j.label)) f(j.to);
    }
  };
  for (uint32_t s = 0; s < n; ++s) each(s, [&](uint32_t to) { ++before[to]; });
  std::vector<uint32_t> queue;
  for (uint32_t s = 0; s < n; ++s) {
    if (before[s] == 0) queue.push_back(s);
  }
  std::vector<size_t> length(n, 0);
  size_t longest = 0;
  for (size_t i = 0; i < queue.size(); ++i) {
    const uint32_t s = queue[i];
    longest = std::max(longest, length[s]);
    each(s, [&](uint32_t to) {
      length[to] = std::max(length[to], length[s] + 1);
      if (--before[to] == 0) queue.push_back(to);
    });
  }
  return queue.size() == n ? longest : kEndless;  // those on a circle never came up
}

}  // namespace

std::vector<uint32_t> alike_within(const Automaton& automaton, size_t bytes) {
  const auto n = static_cast<uint32_t>(automaton.n_states());
  const size_t empty = longest_empty_way(automaton);
  if (empty == kEndless) {
    std::vector<uint32_t> each(n);
    std::iota(each.begin(), each.end(), 0);
    return each;
  }
  Dfa dfa;
  dfa.states.resize(n);
  for (uint32_t s = 0; s < n; ++s) {
    const auto edges = automaton.edges(s);
    const auto calls = automaton.calls(s);
    const auto specials = automaton.specials(s);
    dfa.states[s] = {.edges = {edges.begin(), edges.end()},
                     .calls = {calls.begin(), calls.end()},
                     .specials = {specials.begin(), specials.end()},
                     .accepting = automaton.accepting(s),
                     .open = automaton.open(s),
                     .mark = automaton.cost(s)};
  }
  return classes_of(dfa, bytes + (bytes + 1) * empty);
}

}  // namespace kedge::engine::grammar
