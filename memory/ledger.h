// What is known about the tokens of a sequence, and the record of what became of them: segments and anchors, which
// tokens are hot in every table, the log, the counts, references to what is gone, and the hashes that tell two
// histories apart. Plain data: a copy is the same knowledge.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "memory/anchor_index.h"
#include "memory/choice.h"
#include "memory/cold_store.h"
#include "memory/kv_log.h"
#include "memory/kv_setup.h"

namespace kedge::memory {

// A hard pin that found no room and became soft.
struct PinRefusal {
  int32_t first;
  int32_t last;
  std::string reason;
};

class Ledger {
 public:
  explicit Ledger(const KvSetup& setup);

  AnchorIndex& index() { return index_; }
  const AnchorIndex& index() const { return index_; }
  const KvCounts& counts() const { return counts_; }
  const KvLog& log() const { return log_; }
  const std::deque<DetachedReference>& detached() const { return detached_; }  // the latest
  // Positions that are hot because they were recalled, ascending.
  const std::vector<int32_t>& recalled() const { return recalled_; }
  // Positions hot in every table, ascending; `next` is the position of the next token here and below.
  std::vector<int32_t> hot_positions(int32_t next) const;
  size_t bytes() const;

  // A hash over the options, the metadata and every event: two sequences of the same tokens have the same keys and
  // values if and only if these agree.
  uint64_t retention() const { return retention_; }
  // A hash over the options and the segments given before the first token, as long as everything else followed from
  // those and the tokens: two sequences of the same tokens with the same origin are in the same state. 0 when it did
  // not, because of segments given later, a recall that was asked for, truncation, a step that stopped half way.
  uint64_t origin() const { return origin_; }
  void disturb() { origin_ = 0; }
  // While an event is under way the origin is 0: one that fails half way is no part of the text.
  uint64_t begin_event() { return std::exchange(origin_, 0); }
  void end_event(uint64_t origin) { origin_ = origin; }

  // Segments whose positions may lie ahead. Errors: kInvalidArgument (a range that is empty, negative or outside the
  // context; nothing is added then).
  Result<std::vector<PinRefusal>> add_segments(const KvSetup& setup, std::span<const Segment> segments, int32_t next);

  // Counts the anchors' hot and cold tokens.
  void look_again(int32_t next, const ColdStore* cold);
  // An eviction: what left the tables, one choice for all of them or one for each.
  void note_left(const KvSetup& setup, std::span<const Choice> choices, int32_t next);
  void note_back(std::span<const int32_t> positions, int32_t next);     // they were recalled
  void note_lost(std::span<const int32_t> positions, int32_t next);     // they fell out of the cold tier
  void note_refused(std::span<const int32_t> positions, int32_t next);  // they were not recalled: too many
  // A mention was completed: reported when something of what it names is missing.
  void note_mention(const AnchorIndex::Hit& hit);
  void forget_from(int32_t n);  // positions

  friend class SnapshotAccess;

 private:
  bool grant(const KvSetup& setup, const Segment& s, int hard, int cap, PinRefusal* refused) const;
  void record(const Choice& choice, int table, KvWhy why, int32_t next);
  void log_runs(std::span<const int32_t> positions, KvWhy why, int32_t next);  // ascending, as runs of neighbours

  AnchorIndex index_;
  std::vector<int32_t> hot_;  // positions hot in every table after the last event, ascending
  int32_t hot_until_ = 0;     // the next position at that time: tokens from there on are hot
  std::vector<int32_t> recalled_;
  KvLog log_;
  KvCounts counts_;
  uint64_t evicted_entries_ = 0;  // tokens times tables
  std::deque<DetachedReference> detached_;
  uint64_t retention_ = 0;
  uint64_t origin_ = 0;
};

}  // namespace kedge::memory
