#include "memory/choice.h"

#include <algorithm>
#include <numeric>

#include "memory/checksum.h"
#include "memory/sizes.h"

namespace kedge::memory {

namespace {

// Slots of a table in the order of positions. They are a few ascending runs: those are merged.
std::vector<int32_t> by_position(std::span<const int32_t> positions) {
  std::vector<int32_t> order(positions.size());
  std::iota(order.begin(), order.end(), 0);
  const auto before = [&](int32_t a, int32_t b) { return positions[to_size(a)] < positions[to_size(b)]; };
  for (auto end = order.begin(); end != order.end();) {
    const auto next = std::is_sorted_until(end, order.end(), before);
    std::inplace_merge(order.begin(), end, next, before);
    end = next;
  }
  return order;
}

// What the tables' tokens are ranked by, in the order of positions.
struct Measured {
  std::vector<int32_t> order;  // slots
  std::vector<int32_t> positions;
  std::vector<uint32_t> scores;  // the mean over the tables
  std::vector<float> likeness;
};

Measured measure(const KvSequence& sequence, int first, int last, bool keys) {
  Measured m;
  const auto by_slot = sequence.positions(first);
  m.order = by_position(by_slot);
  const size_t n = m.order.size();
  m.positions.resize(n);
  m.scores.resize(n);
  m.likeness.resize(keys ? n : 0);
  for (size_t i = 0; i < n; ++i) m.positions[i] = by_slot[to_size(m.order[i])];
  std::vector<uint64_t> sums(n);
  for (int t = first; t < last; ++t) {
    const auto slot_scores = sequence.scores(t);
    for (size_t i = 0; i < n; ++i) sums[i] += slot_scores[to_size(m.order[i])];
    if (!keys) continue;
    const std::vector<float> of_table = key_likeness(sequence, t);
    for (size_t i = 0; i < n; ++i) m.likeness[i] += of_table[to_size(m.order[i])] / static_cast<float>(last - first);
  }
  for (size_t i = 0; i < n; ++i) m.scores[i] = static_cast<uint32_t>(sums[i] / to_size(last - first));
  return m;
}

}  // namespace

Choice choose(const KvSetup& setup, const KvSequence& sequence, const ChoiceQuestion& asked) {
  const EvictionPolicy& policy = *setup.policy;
  const int first = std::max(asked.table, 0);
  const int last = asked.table < 0 ? sequence.n_tables() : asked.table + 1;
  const bool keys = policy.key_likeness == EvictionPolicy::Wants::kAlways ||
                    (policy.key_likeness == EvictionPolicy::Wants::kIdleHeads && asked.idle);
  const Measured m = measure(sequence, first, last, keys);
  const size_t n = m.order.size();
  const std::vector<TokenTag> tags = tags_of(m.positions, asked.spans);

  EvictionView view;
  view.position = m.positions;
  view.score = m.scores;
  view.tag = tags;
  view.key_likeness = m.likeness;
  view.idle = asked.idle;
  view.knobs = {setup.budget, setup.options.sinks, setup.options.recent};
  view.random_key = checksum(&asked.n_events, sizeof asked.n_events, setup.options.seed + static_cast<uint64_t>(first));
  std::vector<Rank> ranks(n);
  policy.rank(view, ranks);

  Choice choice;
  for (const int32_t i : lowest(ranks, n - std::min(n, to_size(asked.n_keep)))) {
    choice.slots.push_back(m.order[to_size(i)]);
    choice.positions.push_back(m.positions[to_size(i)]);
    choice.ranks.push_back(ranks[to_size(i)]);
    choice.anchored.push_back(tags[to_size(i)].pin != PinClass::kNone);
  }
  std::sort(choice.slots.begin(), choice.slots.end());
  return choice;
}

}  // namespace kedge::memory
