#include "memory/evictor.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "memory/kv_parts.h"
#include "memory/sizes.h"

namespace kedge::memory {

namespace {

// Attention by position, of four tables from the first layer to the last, and the share of it that makes a pin of a
// weak reference.
class Promotion {
 public:
  Promotion(const KvSequence& sequence, float threshold) {
    for (int t = 0; t < sequence.n_tables(); t += std::max(sequence.n_tables() / 4, 1)) {
      const auto positions = sequence.positions(t);
      const auto scores = sequence.scores(t);
      for (size_t s = 0; s < positions.size(); ++s) attention_.emplace_back(positions[s], scores[s]);
    }
    std::sort(attention_.begin(), attention_.end());
    size_t n = 0;
    for (size_t i = 0; i < attention_.size(); ++i) {
      if (n > 0 && attention_[n - 1].first == attention_[i].first) {
        attention_[n - 1].second += attention_[i].second;
      } else {
        attention_[n++] = attention_[i];
      }
    }
    attention_.resize(n);
    if (n == 0) return;
    std::vector<uint64_t> sorted(n);
    for (size_t i = 0; i < n; ++i) sorted[i] = attention_[i].second;
    const auto at = static_cast<std::ptrdiff_t>(threshold * static_cast<float>(n - 1));
    std::nth_element(sorted.begin(), sorted.begin() + at, sorted.end());
    threshold_ = sorted[static_cast<size_t>(at)];
  }
  bool holds(const Anchor& a) const {
    auto it = std::lower_bound(attention_.begin(), attention_.end(), std::pair<int32_t, uint64_t>(a.at.first, 0));
    uint64_t sum = 0;
    uint64_t n = 0;
    for (; it != attention_.end() && it->first < a.at.last; ++it, ++n) sum += it->second;
    return n > 0 && sum / n > threshold_;
  }

 private:
  std::vector<std::pair<int32_t, uint64_t>> attention_;
  uint64_t threshold_ = 0;
};

// All of the choice goes to the cold tier, or nothing of it and the error. What the tier had to drop is appended to
// `lost`.
Status demote(const KvParts& m, ColdStore& cold, const Choice& choice, std::vector<int32_t>* lost) {
  const auto by_slot = m.sequence.positions(0);
  std::vector<int32_t> slots(choice.slots);
  std::sort(slots.begin(), slots.end(),
            [&](int32_t a, int32_t b) { return by_slot[to_size(a)] < by_slot[to_size(b)]; });
  std::vector<int32_t> slot_of_table(to_size(m.sequence.n_tables()));
  std::vector<int32_t> dropped;
  std::vector<int32_t> added;
  Status status;
  for (size_t i = 0; i < slots.size() && status.ok(); ++i) {
    if (!cold.contains(choice.positions[i])) added.push_back(choice.positions[i]);
    std::fill(slot_of_table.begin(), slot_of_table.end(), slots[i]);
    status = cold.put(choice.positions[i], choice.anchored[i], m.sequence, slot_of_table, *m.setup->kernels, &dropped);
  }
  if (!status.ok()) {
    for (const int32_t p : added) cold.drop(p);
  }
  // Tokens that are hot again have a copy in the cold tier: when only that goes nothing is lost.
  std::vector<int32_t> hot(by_slot.begin(), by_slot.end());
  std::sort(hot.begin(), hot.end());
  std::sort(dropped.begin(), dropped.end());
  dropped.erase(std::unique(dropped.begin(), dropped.end()), dropped.end());
  for (const int32_t p : dropped) {
    const bool leaves = status.ok() && std::binary_search(choice.positions.begin(), choice.positions.end(), p);
    if (!cold.contains(p) && (leaves || !std::binary_search(hot.begin(), hot.end(), p))) lost->push_back(p);
  }
  return status;
}

void age_scores(KvSequence& sequence, Observation::After after) {
  if (after == Observation::After::kKeep || !sequence.has_scores()) return;
  if (after == Observation::After::kForget) return sequence.drop_scores();
  for (int t = 0; t < sequence.n_tables(); ++t) {
    for (uint32_t& s : sequence.scores_to_change(t).first(to_size(sequence.slots(t)))) s /= 2;
  }
}

}  // namespace

void add_scores(const Observation& observe, std::span<uint32_t> scores, const float* mass, size_t stride, int n_rows,
                int group, int n_slots) {
  for (int r = 0; r < n_rows; ++r) {
    const float* rows = mass + to_size(r) * to_size(group) * stride;
    for (size_t s = 0; s < to_size(n_slots); ++s) {
      float share = rows[s];
      for (int g = 1; g < group; ++g) {
        const float other = rows[to_size(g) * stride + s];
        share = observe.largest ? std::max(share, other) : share + other;
      }
      const uint32_t added = score_of(share);
      scores[s] = scores[s] > UINT32_MAX - added ? UINT32_MAX : scores[s] + added;
    }
  }
}

std::vector<TagSpan> Evictor::pins(const KvParts& m) const {
  const KvSetup& setup = *m.setup;
  if (!setup.policy->uses_metadata) return {};
  std::optional<Promotion> promotion;  // made when a weak reference asks for it
  const auto promoted = [&](const Anchor& a) {
    if (!m.sequence.has_scores()) return false;
    if (!promotion) promotion.emplace(m.sequence, setup.options.anchor_threshold);
    return promotion->holds(a);
  };
  const PinRules rules{static_cast<int>(setup.options.anchor_cap * static_cast<float>(setup.budget)),
                       setup.options.anchor_margin};
  return pin_spans(m.ledger.index(), m.next(), rules, promoted);
}

void Evictor::watch_sinks(const KvParts& m) {
  if (!m.sequence.has_scores()) return;
  // What a row gives its close neighbours says nothing of the head: it is left out.
  constexpr int32_t kLocalTokens = 64;
  const int32_t local = m.next() - std::max(m.setup->quantum(), kLocalTokens);
  all_attention_.resize(to_size(m.sequence.n_tables()));
  sink_attention_.resize(to_size(m.sequence.n_tables()));
  for (int t = 0; t < m.sequence.n_tables(); ++t) {
    const auto positions = m.sequence.positions(t);
    const auto scores = m.sequence.scores(t);
    for (size_t s = 0; s < positions.size(); ++s) {
      if (positions[s] >= local) continue;
      all_attention_[to_size(t)] += scores[s];
      if (positions[s] < m.setup->options.sinks) sink_attention_[to_size(t)] += scores[s];
    }
  }
}

// The third of the tables with the largest share; ties go to the lower table.
bool Evictor::idle(int table) const {
  if (to_size(table) >= all_attention_.size() || all_attention_[to_size(table)] == 0) return false;
  const auto share = [&](size_t t) {
    return static_cast<double>(sink_attention_[t]) / static_cast<double>(std::max<uint64_t>(all_attention_[t], 1));
  };
  const double own = share(to_size(table));
  size_t before = 0;
  for (size_t t = 0; t < all_attention_.size(); ++t) {
    before += share(t) > own || (share(t) == own && t < to_size(table)) ? 1 : 0;
  }
  return own > 0 && before < (all_attention_.size() + 2) / 3;
}

Status Evictor::evict(KvParts& m, int n_keep, const ThreadTeam& team) {
  const KvSetup& setup = *m.setup;
  const size_t n_tables = to_size(m.sequence.n_tables());
  const uint64_t origin = m.ledger.begin_event();
  m.ledger.index().detect();
  m.look_again();
  const Evictor before = *this;
  watch_sinks(m);
  const std::vector<TagSpan> spans = pins(m);
  const uint64_t n_events = m.ledger.counts().events;
  std::vector<Choice> choices(setup.per_table() ? n_tables : 1);
  if (setup.per_table()) {
    team.each(n_tables, [&](size_t t, int) {
      const int table = static_cast<int>(t);
      choices[t] = choose(setup, m.sequence, {table, n_keep, spans, idle(table), n_events});
    });
  } else {
    choices[0] = choose(setup, m.sequence, {-1, n_keep, spans, false, n_events});
  }
  std::vector<std::vector<int32_t>> victims(n_tables);
  for (size_t t = 0; t < n_tables; ++t) victims[t] = choices[setup.per_table() ? t : 0].slots;
  // The pages first: where none are to be had, nothing has happened and it can be done again.
  auto removal = m.sequence.prepare(victims);
  if (!removal.ok()) {
    *this = before;
    m.ledger.end_event(origin);
    return std::move(removal).error();
  }
  std::vector<int32_t> lost;
  if (ColdStore* cold = m.recaller.cold()) {
    Status demoted = demote(m, *cold, choices[0], &lost);
    if (!demoted.ok()) {
      *this = before;
      m.ledger.note_lost(lost, m.next());
      return demoted;
    }
  }
  m.sequence.remove(std::move(removal).value(), team);
  m.ledger.note_left(setup, choices, m.next());
  m.ledger.note_lost(lost, m.next());
  age_scores(m.sequence, setup.policy->observe.after);
  m.look_again();
  m.ledger.end_event(origin);
  return {};
}

}  // namespace kedge::memory
