// An eviction: metadata looked at again, every table ranked, victims demoted and removed, all of it recorded.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <tuple>
#include <utility>

#include "memory/checksum.h"
#include "memory/kv_memory.h"

namespace kedge::memory {

namespace {

size_t to_size(int x) { return static_cast<size_t>(x); }

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

// The keys of a page as float32, [head_dim_k][32].
void load_keys(const KvLayout& l, const std::byte* page, float* keys) {
  const size_t n = to_size(l.head_dim_k) * kPageTokens;
  if (l.format == KvFormat::kF32) {
    std::memcpy(keys, page, n * sizeof(float));
  } else if (l.format == KvFormat::kF16) {
    // Exponents move by a multiplication: exact for all finite numbers, and a loop that becomes vectors.
    for (size_t i = 0; i < n; ++i) {
      uint16_t half;
      std::memcpy(&half, page + 2 * i, 2);
      const auto bits = static_cast<uint32_t>(half);
      const float size = std::bit_cast<float>((bits & 0x7FFFu) << 13) * 0x1p112f;
      keys[i] = std::bit_cast<float>(std::bit_cast<uint32_t>(size) | (bits & 0x8000u) << 16);
    }
  } else {
    float k[kMaxHeadDim];
    for (int t = 0; t < kPageTokens; ++t) {
      kv_load(l, page, t, k, nullptr);
      for (size_t d = 0; d < to_size(l.head_dim_k); ++d) keys[d * kPageTokens + to_size(t)] = k[d];
    }
  }
}

// By slot: the cosine of each key with the mean of all normalised keys. Page by page, 32 tokens beside each other; the
// pages are read twice, which is cheaper than keeping them.
std::vector<float> key_likeness(const KvSequence& sequence, int table) {
  const KvLayout& layout = sequence.layout();
  const size_t n = to_size(sequence.slots(table));
  const size_t n_pages = (n + kPageTokens - 1) / kPageTokens;
  const size_t d = to_size(layout.head_dim_k);
  alignas(64) float keys[kMaxHeadDim * kPageTokens];
  alignas(64) float sums[kMaxHeadDim * kPageTokens] = {};  // [d][32]: what the pages have in each place
  std::vector<float> inverse(n_pages * kPageTokens);
  for (size_t p = 0; p < n_pages; ++p) {
    load_keys(layout, sequence.table(table)[p], keys);
    float squares[kPageTokens] = {};
    for (size_t j = 0; j < d; ++j) {
      const float* row = keys + j * kPageTokens;
      for (size_t t = 0; t < kPageTokens; ++t) squares[t] += row[t] * row[t];
    }
    float* scale = inverse.data() + p * kPageTokens;
    for (size_t t = 0; t < kPageTokens; ++t) {
      const bool there = p * kPageTokens + t < n && squares[t] > 0;
      scale[t] = there ? 1.0f / std::sqrt(squares[t]) : 0.0f;
      // Whatever lies in an empty slot counts for nothing.
      for (size_t j = 0; j < d && !there; ++j) keys[j * kPageTokens + t] = 0;
    }
    for (size_t j = 0; j < d; ++j) {
      const float* row = keys + j * kPageTokens;
      for (size_t t = 0; t < kPageTokens; ++t) sums[j * kPageTokens + t] += row[t] * scale[t];
    }
  }
  float mean[kMaxHeadDim] = {};
  float length = 0;
  for (size_t j = 0; j < d; ++j) {
    for (size_t t = 0; t < kPageTokens; ++t) mean[j] += sums[j * kPageTokens + t];
    length += mean[j] * mean[j];
  }
  const float unit = length > 0 ? 1.0f / std::sqrt(length) : 0.0f;
  for (size_t p = 0; p < n_pages; ++p) {
    load_keys(layout, sequence.table(table)[p], keys);
    float dots[kPageTokens] = {};
    for (size_t j = 0; j < d; ++j) {
      const float* row = keys + j * kPageTokens;
      for (size_t t = 0; t < kPageTokens; ++t) dots[t] += row[t] * mean[j];
    }
    float* scale = inverse.data() + p * kPageTokens;
    for (size_t t = 0; t < kPageTokens; ++t) {
      const bool there = p * kPageTokens + t < n;
      scale[t] = there ? std::clamp(dots[t] * scale[t] * unit, -1.0f, 1.0f) : 0.0f;
    }
  }
  return inverse;
}

}  // namespace

// What leaves a table (or, when tables agree, all of them).
struct KvMemory::Choice {
  std::vector<int32_t> slots;      // ascending
  std::vector<int32_t> positions;  // ascending: not in the order of slots
  std::vector<Rank> ranks;         // of the positions
  std::vector<bool> anchored;      // of the positions
};

std::vector<TagSpan> KvMemory::pins() const {
  if (!policy_->uses_metadata) return {};
  // Attention by position, of four tables from the first layer to the last; made when a weak reference asks for it.
  std::vector<std::pair<int32_t, uint64_t>> attention;
  uint64_t threshold = 0;
  const auto promoted = [&](const Anchor& a) {
    if (attention.empty()) {
      for (int t = 0; t < sequence_.n_tables(); t += std::max(sequence_.n_tables() / 4, 1)) {
        const auto positions = sequence_.positions(t);
        const auto scores = sequence_.scores(t);
        for (size_t s = 0; s < positions.size(); ++s) attention.emplace_back(positions[s], scores[s]);
      }
      std::sort(attention.begin(), attention.end());
      size_t n = 0;
      for (size_t i = 0; i < attention.size(); ++i) {
        if (n > 0 && attention[n - 1].first == attention[i].first) {
          attention[n - 1].second += attention[i].second;
        } else {
          attention[n++] = attention[i];
        }
      }
      attention.resize(n);
      if (n == 0) return false;
      std::vector<uint64_t> sorted(n);
      for (size_t i = 0; i < n; ++i) sorted[i] = attention[i].second;
      const auto at = static_cast<size_t>(options_.anchor_threshold * static_cast<float>(n - 1));
      std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(at), sorted.end());
      threshold = sorted[at];
    }
    auto it = std::lower_bound(attention.begin(), attention.end(), std::pair<int32_t, uint64_t>(a.at.first, 0));
    uint64_t sum = 0;
    uint64_t n = 0;
    for (; it != attention.end() && it->first < a.at.last; ++it, ++n) sum += it->second;
    return n > 0 && sum / n > threshold;
  };
  const PinRules rules{static_cast<int>(options_.anchor_cap * static_cast<float>(budget())), options_.anchor_margin};
  return pin_spans(index_, sequence_.next_position(), rules, promoted);
}

KvMemory::Choice KvMemory::choose(int table, int n_keep, std::span<const TagSpan> spans) const {
  const bool all = table < 0;
  const int first = all ? 0 : table;
  const int last = all ? sequence_.n_tables() : table + 1;
  const auto by_slot = sequence_.positions(first);
  const std::vector<int32_t> order = by_position(by_slot);
  const size_t n = order.size();
  std::vector<int32_t> positions(n);
  std::vector<uint32_t> scores(n);
  const bool is_idle = idle(table);
  const bool keys = policy_->key_likeness == EvictionPolicy::Wants::kAlways ||
                    (policy_->key_likeness == EvictionPolicy::Wants::kIdleHeads && is_idle);
  std::vector<float> likeness(keys ? n : 0);
  std::vector<uint64_t> sums(n);
  for (size_t i = 0; i < n; ++i) positions[i] = by_slot[to_size(order[i])];
  for (int t = first; t < last; ++t) {
    const auto slot_scores = sequence_.scores(t);
    for (size_t i = 0; i < n; ++i) sums[i] += slot_scores[to_size(order[i])];
    if (!keys) continue;
    const std::vector<float> of_table = key_likeness(sequence_, t);
    for (size_t i = 0; i < n; ++i) likeness[i] += of_table[to_size(order[i])] / static_cast<float>(last - first);
  }
  for (size_t i = 0; i < n; ++i) scores[i] = static_cast<uint32_t>(sums[i] / to_size(last - first));
  const std::vector<TokenTag> tags = tags_of(positions, spans);

  EvictionView view;
  view.position = positions;
  view.score = scores;
  view.tag = tags;
  view.key_likeness = likeness;
  view.idle = is_idle;
  view.knobs = knobs();
  view.random_key = checksum(&counts_.events, sizeof counts_.events, options_.seed + static_cast<uint64_t>(first));
  std::vector<Rank> ranks(n);
  policy_->rank(view, ranks);

  Choice choice;
  for (const int32_t i : lowest(ranks, n - std::min(n, to_size(n_keep)))) {
    choice.slots.push_back(order[to_size(i)]);
    choice.positions.push_back(positions[to_size(i)]);
    choice.ranks.push_back(ranks[to_size(i)]);
    choice.anchored.push_back(tags[to_size(i)].pin != PinClass::kNone);
  }
  std::sort(choice.slots.begin(), choice.slots.end());
  return choice;
}

// All of the choice goes to the cold tier, or nothing of it and the error. What the tier had to drop is appended to
// `lost`.
Status KvMemory::demote(const Choice& choice, std::vector<int32_t>* lost) {
  const auto by_slot = sequence_.positions(0);
  std::vector<int32_t> slots(choice.slots);
  std::sort(slots.begin(), slots.end(),
            [&](int32_t a, int32_t b) { return by_slot[to_size(a)] < by_slot[to_size(b)]; });
  std::vector<int32_t> slot_of_table(to_size(sequence_.n_tables()));
  std::vector<int32_t> dropped;
  std::vector<int32_t> added;
  Status status;
  for (size_t i = 0; i < slots.size() && status.ok(); ++i) {
    if (!cold_->contains(choice.positions[i])) added.push_back(choice.positions[i]);
    std::fill(slot_of_table.begin(), slot_of_table.end(), slots[i]);
    status = cold_->put(choice.positions[i], choice.anchored[i], sequence_, slot_of_table, *kernels_, &dropped);
  }
  if (!status.ok()) {
    for (const int32_t p : added) cold_->drop(p);
  }
  // Tokens that are hot again have a copy in the cold tier: when only that goes nothing is lost.
  std::vector<int32_t> hot(by_slot.begin(), by_slot.end());
  std::sort(hot.begin(), hot.end());
  std::sort(dropped.begin(), dropped.end());
  dropped.erase(std::unique(dropped.begin(), dropped.end()), dropped.end());
  for (const int32_t p : dropped) {
    const bool leaves = status.ok() && std::binary_search(choice.positions.begin(), choice.positions.end(), p);
    if (!cold_->contains(p) && (leaves || !std::binary_search(hot.begin(), hot.end(), p))) lost->push_back(p);
  }
  return status;
}

void KvMemory::lose(std::span<const int32_t> positions) {
  counts_.lost += positions.size();
  log_runs(positions, KvWhy::kLose);
}

void KvMemory::log_runs(std::span<const int32_t> positions, KvWhy why) {
  for (size_t i = 0; i < positions.size();) {
    size_t end = i + 1;
    while (end < positions.size() && positions[end] == positions[end - 1] + 1) ++end;
    log_.add({.event = counts_.events,
              .position = sequence_.next_position(),
              .first = positions[i],
              .last = positions[end - 1] + 1,
              .why = why});
    i = end;
  }
}

// Runs of neighbours that left from the same tier.
void KvMemory::record(const Choice& choice, int table, KvWhy why) {
  for (size_t i = 0; i < choice.positions.size();) {
    KvLogEntry entry{.event = counts_.events,
                     .position = sequence_.next_position(),
                     .first = choice.positions[i],
                     .last = choice.positions[i] + 1,
                     .table = table,
                     .why = why,
                     .tier = choice.ranks[i].tier,
                     .score = choice.ranks[i].score};
    for (++i; i < choice.positions.size() && choice.positions[i] == entry.last && choice.ranks[i].tier == entry.tier;
         ++i) {
      ++entry.last;
      entry.score = std::min(entry.score, choice.ranks[i].score);
    }
    log_.add(entry);
  }
  retention_ = checksum(choice.positions.data(), choice.positions.size() * sizeof(int32_t),
                        retention_ ^ static_cast<uint64_t>(table + 1));
}

void KvMemory::watch_sinks() {
  // What a row gives its close neighbours says nothing of the head: it is left out.
  const int32_t local = sequence_.next_position() - std::max(eviction_quantum(budget()), kLocalTokens);
  for (int t = 0; t < sequence_.n_tables(); ++t) {
    const auto positions = sequence_.positions(t);
    const auto scores = sequence_.scores(t);
    for (size_t s = 0; s < positions.size(); ++s) {
      if (positions[s] >= local) continue;
      all_attention_[to_size(t)] += scores[s];
      if (positions[s] < options_.sinks) sink_attention_[to_size(t)] += scores[s];
    }
  }
}

// The third of the tables with the largest share; ties go to the lower table.
bool KvMemory::idle(int table) const {
  if (table < 0 || all_attention_[to_size(table)] == 0) return false;  // one ranking for all, or nothing seen yet
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

void KvMemory::age_scores() {
  if (policy_->observe.after == Observation::After::kKeep) return;
  for (int t = 0; t < sequence_.n_tables(); ++t) {
    for (uint32_t& s : sequence_.scores(t).first(to_size(sequence_.slots(t)))) {
      s = policy_->observe.after == Observation::After::kHalve ? s / 2 : 0;
    }
  }
}

// Every table's victims are hot everywhere no more.
void KvMemory::note_victims(std::span<const Choice> choices) {
  std::vector<int32_t> gone;
  for (const Choice& c : choices) gone.insert(gone.end(), c.positions.begin(), c.positions.end());
  std::sort(gone.begin(), gone.end());
  const std::vector<int32_t> before = hot_positions();
  hot_.clear();
  std::set_difference(before.begin(), before.end(), gone.begin(), gone.end(), std::back_inserter(hot_));
  hot_until_ = sequence_.next_position();
}

void KvMemory::look_again() {
  const std::vector<int32_t> hot = hot_positions();
  index_.count(hot, sequence_.next_position(), [&](int32_t p) { return cold_ && cold_->contains(p); });
  std::erase_if(recalled_, [&](int32_t p) { return !std::binary_search(hot.begin(), hot.end(), p); });
}

Status KvMemory::evict(int n_keep, const ThreadTeam& team) {
  const size_t n_tables = to_size(sequence_.n_tables());
  const uint64_t origin = std::exchange(origin_, 0);  // an eviction that fails half way is no part of the text
  index_.detect();
  look_again();
  const auto sums = std::pair(sink_attention_, all_attention_);
  const auto undo = [&] { std::tie(sink_attention_, all_attention_) = sums; };
  watch_sinks();
  const std::vector<TagSpan> spans = pins();
  std::vector<Choice> choices(per_table() ? n_tables : 1);
  std::vector<int32_t> lost;
  if (per_table()) {
    team.each(n_tables, [&](size_t t, int) { choices[t] = choose(static_cast<int>(t), n_keep, spans); });
  } else {
    choices[0] = choose(-1, n_keep, spans);
    if (cold_) {
      Status demoted = demote(choices[0], &lost);
      if (!demoted.ok()) {
        undo();
        lose(lost);
        return demoted;
      }
    }
  }
  std::vector<std::vector<int32_t>> victims(n_tables);
  for (size_t t = 0; t < n_tables; ++t) {
    victims[t] = choices[per_table() ? t : 0].slots;
  }
  Status removed = sequence_.remove(victims, team);
  if (!removed.ok()) {
    undo();
    for (const int32_t p : cold_ ? choices[0].positions : std::vector<int32_t>()) cold_->drop(p);
    std::erase_if(lost, [&](int32_t p) {
      return std::binary_search(choices[0].positions.begin(), choices[0].positions.end(), p);
    });
    lose(lost);
    return removed;
  }
  for (const auto& slots : victims) evicted_entries_ += slots.size();
  if (cold_) counts_.demoted += victims[0].size();
  note_victims(choices);
  ++counts_.events;
  for (size_t i = 0; i < choices.size(); ++i) {
    record(choices[i], per_table() ? static_cast<int>(i) : -1, cold_ ? KvWhy::kDemote : KvWhy::kEvict);
  }
  lose(lost);
  counts_.evicted = evicted_entries_ / n_tables;
  age_scores();
  look_again();
  origin_ = origin;
  return {};
}

}  // namespace kedge::memory
