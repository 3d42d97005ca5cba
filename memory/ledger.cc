#include "memory/ledger.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "memory/checksum.h"
#include "memory/pins.h"
#include "memory/sizes.h"

namespace kedge::memory {

Ledger::Ledger(const KvSetup& setup)
    : index_(setup.detects()), log_(to_size(setup.options.log)), retention_(setup.hash()), origin_(retention_) {}

std::vector<int32_t> Ledger::hot_positions(int32_t next) const {
  std::vector<int32_t> hot;
  hot.reserve(hot_.size() + to_size(next - hot_until_));
  hot.assign(hot_.begin(), hot_.end());
  for (int32_t p = hot_until_; p < next; ++p) hot.push_back(p);
  return hot;
}

size_t Ledger::bytes() const {
  size_t n = sizeof *this + index_.bytes() + (hot_.capacity() + recalled_.capacity()) * sizeof(int32_t);
  constexpr size_t kDeque = 576;  // of an empty one
  n += 2 * kDeque + log_.entries().size() * sizeof(KvLogEntry);
  for (const DetachedReference& d : detached_) n += sizeof d + d.reference.capacity();
  return n;
}

// Whether a hard pin may be one, when so many tokens have some already.
bool Ledger::grant(const KvSetup& setup, const Segment& s, int hard, int cap, PinRefusal* refused) const {
  if (setup.policy->uses_metadata && hard + s.last - s.first <= cap) return true;
  *refused = {s.first, s.last,
              !setup.policy->uses_metadata
                  ? "the policy '" + setup.options.policy + "' knows no pins"
                  : "hard pins take " + std::to_string(hard) + " tokens; " + std::to_string(s.last - s.first) +
                        " more exceed the cap of " + std::to_string(cap) + " (pinned softly instead)"};
  return false;
}

Result<std::vector<PinRefusal>> Ledger::add_segments(const KvSetup& setup, std::span<const Segment> segments,
                                                     int32_t next) {
  for (const Segment& s : segments) {
    if (s.first >= 0 && s.first < s.last && s.last <= setup.shape.n_ctx) continue;
    return Error{ErrorCode::kInvalidArgument, "segment [" + std::to_string(s.first) + ", " + std::to_string(s.last) +
                                                  ") is empty or outside the context of " +
                                                  std::to_string(setup.shape.n_ctx)};
  }
  std::vector<PinRefusal> refused;
  if (segments.empty()) return refused;
  const uint64_t n_segments = segments.size();
  if (next > 0) disturb();
  if (origin_ != 0) origin_ = checksum(&n_segments, sizeof n_segments, origin_);
  const int cap = std::min(static_cast<int>(setup.options.anchor_cap * static_cast<float>(setup.budget)),
                           setup.budget - setup.quantum());  // what an eviction leaves
  int hard = hard_pinned(index_, next);
  for (Segment s : segments) {
    if (s.kind != SegmentKind::kReference) index_.add_segment(s);
    PinRefusal refusal;
    if (s.pin == Pin::kHard && setup.bounded()) {
      if (grant(setup, s, hard, cap, &refusal)) {
        hard += s.last - s.first;
      } else {
        s.pin = Pin::kSoft;
        refused.push_back(std::move(refusal));
        ++counts_.pins_refused;
        log_.add({.event = counts_.events, .position = next, .first = s.first, .last = s.last, .why = KvWhy::kRefuse});
      }
    }
    if (s.pin != Pin::kNone && setup.policy->uses_metadata) index_.add_anchor(s);
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

void Ledger::look_again(int32_t next, const ColdStore* cold) {
  const std::vector<int32_t> hot = hot_positions(next);
  index_.count(hot, next, [&](int32_t p) { return cold != nullptr && cold->contains(p); });
  std::erase_if(recalled_, [&](int32_t p) { return !std::binary_search(hot.begin(), hot.end(), p); });
}

// Runs of neighbours that left from the same tier.
void Ledger::record(const Choice& choice, int table, KvWhy why, int32_t next) {
  for (size_t i = 0; i < choice.positions.size();) {
    KvLogEntry entry{.event = counts_.events,
                     .position = next,
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

void Ledger::note_left(const KvSetup& setup, std::span<const Choice> choices, int32_t next) {
  const bool all = !setup.per_table();
  std::vector<int32_t> gone;  // hot everywhere no more
  for (const Choice& c : choices) {
    gone.insert(gone.end(), c.positions.begin(), c.positions.end());
    evicted_entries_ += c.slots.size() * (all ? to_size(setup.n_tables()) : 1);
  }
  std::sort(gone.begin(), gone.end());
  const std::vector<int32_t> before = hot_positions(next);
  hot_.clear();
  std::set_difference(before.begin(), before.end(), gone.begin(), gone.end(), std::back_inserter(hot_));
  hot_until_ = next;
  if (setup.has_cold()) counts_.demoted += choices[0].slots.size();
  counts_.evicted = evicted_entries_ / to_size(setup.n_tables());
  ++counts_.events;
  for (size_t i = 0; i < choices.size(); ++i) {
    record(choices[i], all ? -1 : static_cast<int>(i), setup.has_cold() ? KvWhy::kDemote : KvWhy::kEvict, next);
  }
}

void Ledger::note_back(std::span<const int32_t> back, int32_t next) {
  hot_ = hot_positions(next);
  hot_until_ = next;
  hot_.insert(hot_.end(), back.begin(), back.end());
  std::sort(hot_.begin(), hot_.end());
  ++counts_.events;
  counts_.recalled += back.size();
  log_runs(back, KvWhy::kRecall, next);
  retention_ = checksum(back.data(), back.size() * sizeof(int32_t), ~retention_);
  recalled_.insert(recalled_.end(), back.begin(), back.end());
  std::sort(recalled_.begin(), recalled_.end());
}

void Ledger::note_lost(std::span<const int32_t> positions, int32_t next) {
  counts_.lost += positions.size();
  log_runs(positions, KvWhy::kLose, next);
}

void Ledger::note_refused(std::span<const int32_t> positions, int32_t next) {
  log_.add({.event = counts_.events,
            .position = next,
            .first = positions.front(),
            .last = positions.back() + 1,
            .why = KvWhy::kRefuse});
}

void Ledger::log_runs(std::span<const int32_t> positions, KvWhy why, int32_t next) {
  for (size_t i = 0; i < positions.size();) {
    size_t end = i + 1;
    while (end < positions.size() && positions[end] == positions[end - 1] + 1) ++end;
    log_.add(
        {.event = counts_.events, .position = next, .first = positions[i], .last = positions[end - 1] + 1, .why = why});
    i = end;
  }
}

// One report for a mention, whatever it names.
void Ledger::note_mention(const AnchorIndex::Hit& hit) {
  if (hit.subject) return;
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

void Ledger::forget_from(int32_t n) {
  index_.truncate(n);
  std::erase_if(recalled_, [n](int32_t p) { return p >= n; });
  std::erase_if(hot_, [n](int32_t p) { return p >= n; });
  hot_until_ = std::min(hot_until_, n);
  if (counts_.events > 0) retention_ = checksum(&n, sizeof n, retention_);
}

}  // namespace kedge::memory
