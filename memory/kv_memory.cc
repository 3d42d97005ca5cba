#include "memory/kv_memory.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "memory/checksum.h"
#include "memory/kv_step.h"

namespace kedge::memory {

namespace {

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Status in_range(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return {};  // false for NaN
  return invalid("KV memory: " + std::string(name) + " is " + std::to_string(value) + ", must be from " +
                 std::to_string(low) + " to " + std::to_string(high));
}

Status check(const KvOptions& o) {
  if (o.budget != 0 && o.budget < kMinBudget) {
    return invalid("KV memory: a budget of " + std::to_string(o.budget) + " tokens is less than the smallest, " +
                   std::to_string(kMinBudget));
  }
  KEDGE_TRY(in_range("sinks", o.sinks, 0, 1 << 20));
  KEDGE_TRY(in_range("recent", o.recent, -1, 1 << 24));
  KEDGE_TRY(in_range("anchor_threshold", static_cast<double>(o.anchor_threshold), 0, 1));
  KEDGE_TRY(in_range("anchor_cap", static_cast<double>(o.anchor_cap), 0, 1));
  KEDGE_TRY(in_range("anchor_margin", o.anchor_margin, 0, 1024));
  KEDGE_TRY(in_range("recall_threshold", static_cast<double>(o.recall_threshold), 0, 1));
  KEDGE_TRY(in_range("forks", o.forks, 1, 1024));
  KEDGE_TRY(in_range("log", o.log, 0, 1 << 24));
  return {};
}

int budget_of(const KvShape& shape, const KvOptions& options) {
  return options.budget == 0 ? shape.n_ctx : std::min(options.budget, shape.n_ctx);
}

// What the options decide of which tokens stay.
uint64_t hash_of(const KvShape& s, const KvOptions& o, int budget) {
  const int32_t numbers[] = {static_cast<int32_t>(s.layout.format),
                             s.layout.head_dim_k,
                             s.layout.head_dim_v,
                             s.n_layers,
                             s.n_kv_heads,
                             budget < s.n_ctx ? budget : -1,
                             o.sinks,
                             o.recent,
                             o.anchor_margin,
                             o.anchor_detect ? 1 : 0,
                             static_cast<int32_t>(o.cold),
                             o.cold_format ? static_cast<int32_t>(*o.cold_format) : -1};
  const float shares[] = {o.anchor_threshold, o.anchor_cap, o.recall_threshold};
  uint64_t h = checksum(numbers, sizeof numbers, o.seed);
  h = checksum(shares, sizeof shares, h);
  return checksum(o.policy.data(), o.policy.size(), h);
}

}  // namespace

const char* token_state_name(KvMemory::TokenState state) {
  constexpr const char* kNames[] = {"sink", "pinned", "recent", "kept", "recalled", "demoted", "lost"};
  return kNames[static_cast<size_t>(state)];
}

KvMemory::KvMemory(KvShape shape, KvOptions options, const EvictionPolicy& policy, const KernelTable& kernels,
                   KvSequence sequence)
    : shape_(shape),
      options_(std::move(options)),
      policy_(&policy),
      kernels_(&kernels),
      sequence_(std::move(sequence)),
      index_(options_.anchor_detect && policy.uses_metadata && bounded()),
      sink_attention_(static_cast<size_t>(sequence_.n_tables())),
      all_attention_(static_cast<size_t>(sequence_.n_tables())),
      log_(static_cast<size_t>(options_.log)) {}

Result<std::unique_ptr<KvMemory>> KvMemory::create(const KvShape& shape, const KvOptions& options,
                                                   const KernelTable& kernels) {
  KEDGE_TRY(check(options));
  const size_t pages = KvSequence::pages_for(shape.n_layers, shape.n_kv_heads, budget_of(shape, options));
  KEDGE_ASSIGN(arena, KvArena::create(shape.layout, pages * static_cast<size_t>(options.forks)));
  KEDGE_ASSIGN(memory, create(shape, options, kernels, std::shared_ptr<KvArena>(std::move(arena))));
  memory->owns_arena_ = true;
  return memory;
}

Result<std::unique_ptr<KvMemory>> KvMemory::create(const KvShape& shape, const KvOptions& options,
                                                   const KernelTable& kernels, std::shared_ptr<KvArena> arena) {
  KEDGE_TRY(check(options));
  const KvLayout& pages = arena->layout();
  if (pages.format != shape.layout.format || pages.head_dim_k != shape.layout.head_dim_k ||
      pages.head_dim_v != shape.layout.head_dim_v)
    return invalid("KV memory: the arena's pages have another layout");
  const EvictionPolicy* policy = find_policy(options.policy);
  if (policy == nullptr) {
    std::string names;
    for (const std::string_view name : policy_names()) names += (names.empty() ? "" : ", ") + std::string(name);
    return invalid("KV memory: unknown policy '" + options.policy + "'; known are " + names);
  }
  const int budget = budget_of(shape, options);
  KvSequence sequence(std::move(arena), shape.n_layers, shape.n_kv_heads, budget);
  std::unique_ptr<KvMemory> memory(new KvMemory(shape, options, *policy, kernels, std::move(sequence)));
  if (memory->options_.recent < 0) memory->options_.recent = default_recent(budget);
  if (options.cold != KvOptions::Cold::kOff && memory->bounded()) {
    KvLayout cold = shape.layout;
    if (options.cold_format) cold.format = *options.cold_format;
    const std::string path = options.cold == KvOptions::Cold::kFile ? options.cold_path : "";
    if (options.cold == KvOptions::Cold::kFile && path.empty()) return invalid("KV memory: the cold file has no path");
    KEDGE_ASSIGN(store, ColdStore::create(cold, memory->sequence_.n_tables(), options.cold_bytes, path,
                                          options.recall_threshold > 0));
    memory->cold_.emplace(std::move(store));
  }
  memory->retention_ = hash_of(shape, memory->options_, budget);
  memory->origin_ = memory->retention_;
  return memory;
}

KvMemory::~KvMemory() {
  if (step_ != nullptr) step_->memory_ = nullptr;
}

size_t KvMemory::pages_needed(int n) const { return sequence_.pages_needed(n); }

Status KvMemory::settle(const ThreadTeam&) {
  sequence_.forget_missing_pages();
  if (step_ != nullptr) return invalid("KV memory: a step is open");
  return {};
}

// Of n tokens, how many come before the next probe.
int KvMemory::until_probe(int n) const {
  return probes() ? std::min(n, kProbeEvery - sequence_.next_position() % kProbeEvery) : n;
}

PolicyKnobs KvMemory::knobs() const { return {budget(), options_.sinks, options_.recent}; }

Result<int> KvMemory::make_room(const ThreadTeam& team) {
  const int room = budget() - sequence_.most_slots();
  if (room > 0) return room;
  if (!bounded()) {
    return Error{ErrorCode::kCapacity, "context full: " + std::to_string(sequence_.most_slots()) +
                                           " tokens are in the cache, which holds " + std::to_string(budget())};
  }
  if (!policy_->evicts) {
    return Error{ErrorCode::kCapacity, "the KV budget of " + std::to_string(budget()) +
                                           " tokens is full and the policy '" + options_.policy + "' never evicts"};
  }
  KEDGE_TRY(evict(budget() - eviction_quantum(budget()), team));
  return budget() - sequence_.most_slots();
}

size_t KvMemory::allowed(std::span<const std::string_view> texts) const {
  if (!cold_) return texts.size();
  return static_cast<size_t>(until_probe(static_cast<int>(index_.until_recall(texts))));
}

int KvMemory::first_watched(int n) const {
  const int rows = policy_->observe.rows;
  if (rows == 0 || !bounded()) return n;
  return std::clamp(budget() - rows - sequence_.most_slots(), 0, n);
}

void KvMemory::add_scores(int table, const float* mass, size_t stride, int n_rows, int group, int n_slots) {
  const std::span<uint32_t> scores = sequence_.scores(table);
  for (int r = 0; r < n_rows; ++r) {
    const float* rows = mass + static_cast<size_t>(r) * static_cast<size_t>(group) * stride;
    for (size_t s = 0; s < static_cast<size_t>(n_slots); ++s) {
      float share = rows[s];
      for (int g = 1; g < group; ++g) {
        const float other = rows[static_cast<size_t>(g) * stride + s];
        share = policy_->observe.largest ? std::max(share, other) : share + other;
      }
      const uint32_t added = score_of(share);
      scores[s] = scores[s] > UINT32_MAX - added ? UINT32_MAX : scores[s] + added;
    }
  }
}

Status KvMemory::noted(std::span<const std::string_view> texts, const ThreadTeam& team) {
  if (!bounded()) return {};
  std::vector<AnchorIndex::Hit> hits;
  const int32_t first = sequence_.next_position() - static_cast<int32_t>(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) index_.note(first + static_cast<int32_t>(i), texts[i], &hits);
  for (const AnchorIndex::Hit& hit : hits) {
    // Once more for what left to make room for the rest of it.
    for (int round = 0; round < 2; ++round) {
      const std::vector<int32_t> wanted = recallable(hit.anchors);
      if (wanted.empty()) break;
      KEDGE_TRY(recall_if_room(wanted, team));
    }
    if (!hit.subject) detach(hit);
  }
  return recall_probed(team);
}

// One report for a mention, whatever it names.
void KvMemory::detach(const AnchorIndex::Hit& hit) {
  DetachedReference d{.position = hit.position, .statements = 0, .reference = hit.reference};
  std::vector<uint32_t> missing;
  for (const uint32_t id : hit.anchors) {
    const auto found = index_.anchors().find(id);
    if (found == index_.anchors().end() || found->second.missing() == 0) continue;
    if (missing.empty()) std::tie(d.first, d.last) = std::pair(found->second.at.first, found->second.at.last);
    missing.push_back(id);
  }
  std::sort(missing.begin(), missing.end());
  d.statements = static_cast<int32_t>(std::unique(missing.begin(), missing.end()) - missing.begin());
  if (d.statements == 0) return;
  // A name that is repeated in one sentence is one mention.
  constexpr int32_t kOneMention = 32;
  constexpr size_t kKept = 256;
  for (auto it = detached_.rbegin(); it != detached_.rend() && d.position - it->position < kOneMention; ++it) {
    if (it->position > d.position) continue;  // of text that was taken back
    if (it->first == d.first && it->last == d.last) return;
  }
  ++counts_.detached;
  if (detached_.size() == kKept) detached_.pop_front();
  detached_.push_back(std::move(d));
}

Result<std::vector<KvMemory::Refusal>> KvMemory::add_segments(std::span<const Segment> segments) {
  for (const Segment& s : segments) {
    if (s.first >= 0 && s.first < s.last && s.last <= shape_.n_ctx) continue;
    return invalid("segment [" + std::to_string(s.first) + ", " + std::to_string(s.last) +
                   ") is empty or outside the context of " + std::to_string(shape_.n_ctx));
  }
  std::vector<Refusal> refused;
  if (segments.empty()) return refused;
  const uint64_t n_segments = segments.size();
  if (sequence_.next_position() > 0) disturb();
  if (origin_ != 0) origin_ = checksum(&n_segments, sizeof n_segments, origin_);
  const int cap = std::min(static_cast<int>(options_.anchor_cap * static_cast<float>(budget())),
                           budget() - eviction_quantum(budget()));  // what an eviction leaves
  int hard = hard_pinned(index_, sequence_.next_position());
  for (Segment s : segments) {
    if (s.kind != SegmentKind::kReference) index_.add_segment(s);
    if (s.pin == Pin::kHard && bounded()) {
      if (!policy_->uses_metadata || hard + s.last - s.first > cap) {
        refused.push_back({s.first, s.last,
                           !policy_->uses_metadata ? "the policy '" + options_.policy + "' knows no pins"
                                                   : "hard pins take " + std::to_string(hard) + " tokens; " +
                                                         std::to_string(s.last - s.first) + " more exceed the cap of " +
                                                         std::to_string(cap) + " (pinned softly instead)"});
        s.pin = Pin::kSoft;
        ++counts_.pins_refused;
        log_.add({.event = counts_.events,
                  .position = sequence_.next_position(),
                  .first = s.first,
                  .last = s.last,
                  .why = KvWhy::kRefuse});
      } else {
        hard += s.last - s.first;
      }
    }
    if (s.pin != Pin::kNone && policy_->uses_metadata) index_.add_anchor(s);
    const int32_t range[] = {s.first,   s.last, s.ttl, static_cast<int32_t>(s.kind), static_cast<int32_t>(s.pin),
                             s.priority};
    const auto add_to = [&](uint64_t hash) {
      hash = checksum(range, sizeof range, hash);
      hash = checksum(s.source_id.data(), s.source_id.size(), hash);
      return checksum(&s.trust, sizeof s.trust, hash);
    };
    retention_ = add_to(retention_);
    if (origin_ != 0) origin_ = add_to(origin_);
  }
  return refused;
}

Status KvMemory::truncate(int n, const ThreadTeam& team) {
  if (n >= sequence_.next_position()) return {};
  disturb();
  KEDGE_TRY(sequence_.truncate(n, team));
  index_.truncate(n);
  if (cold_) cold_->drop_from(n);
  std::erase_if(recalled_, [n](int32_t p) { return p >= n; });
  std::erase_if(hot_, [n](int32_t p) { return p >= n; });
  hot_until_ = std::min(hot_until_, n);
  if (counts_.events > 0) retention_ = checksum(&n, sizeof n, retention_);
  look_again();
  return {};
}

Result<std::unique_ptr<KvMemory>> KvMemory::fork() const {
  const KvArena& arena = sequence_.arena();
  const size_t free = arena.pages_total() - arena.pages_in_use();
  if (owns_arena_ && !arena.reclaims() && free < static_cast<size_t>(sequence_.n_tables())) {
    return Error{ErrorCode::kCapacity, "KV arena: " + std::to_string(free) + " of " +
                                           std::to_string(arena.pages_total()) + " pages are free, a fork needs " +
                                           std::to_string(sequence_.n_tables()) + " of its own; it is made for " +
                                           std::to_string(options_.forks) + " sequence(s) (option forks)"};
  }
  return copy_with(sequence_.fork());
}

std::unique_ptr<const KvMemory> KvMemory::freeze() const { return copy_with(sequence_.freeze()); }

std::unique_ptr<KvMemory> KvMemory::copy_with(KvSequence sequence) const {
  std::unique_ptr<KvMemory> copy(new KvMemory(shape_, options_, *policy_, *kernels_, std::move(sequence)));
  copy->owns_arena_ = owns_arena_;
  copy->index_ = index_;
  copy->cold_ = cold_;
  copy->sink_attention_ = sink_attention_;
  copy->all_attention_ = all_attention_;
  copy->hot_ = hot_;
  copy->hot_until_ = hot_until_;
  copy->recalled_ = recalled_;
  copy->log_ = log_;
  copy->counts_ = counts_;
  copy->evicted_entries_ = evicted_entries_;
  copy->detached_ = detached_;
  copy->retention_ = retention_;
  copy->origin_ = origin_;
  return copy;
}

// The first token whose attention goes into the scores, while nothing has left.
int KvMemory::first_counted() const { return bounded() ? std::max(budget() - policy_->observe.rows, 0) : n_ctx(); }

int KvMemory::usable(int n) const {
  if (counts_.events > 0) return 0;
  const int all = sequence_.next_position();
  n = std::min(n, all);
  const bool same_scores = n == all && origin_ != 0;
  return same_scores ? n : std::min(n, first_counted());
}

void KvMemory::begin_with(const KvMemory& other, int n) {
  sequence_.begin_with(other.sequence_, n);
  if (n > first_counted()) return;
  for (int t = 0; t < sequence_.n_tables(); ++t) {
    const std::span<uint32_t> scores = sequence_.scores(t);
    std::fill(scores.begin(), scores.end(), 0u);
  }
}

std::vector<int32_t> KvMemory::hot_positions() const {
  std::vector<int32_t> hot;
  hot.reserve(static_cast<size_t>(budget()));
  hot.assign(hot_.begin(), hot_.end());
  for (int32_t p = hot_until_; p < sequence_.next_position(); ++p) hot.push_back(p);
  return hot;
}

size_t KvMemory::slots_wasted() const {
  size_t used = 0;
  for (int t = 0; t < sequence_.n_tables(); ++t) used += static_cast<size_t>(sequence_.slots(t));
  return sequence_.pages() * kPageTokens - used;
}

size_t KvMemory::metadata_bytes() const {
  constexpr size_t kPerSlot = sizeof(int32_t) + sizeof(uint32_t);
  return static_cast<size_t>(sequence_.n_tables()) * static_cast<size_t>(budget()) * kPerSlot;
}

}  // namespace kedge::memory
