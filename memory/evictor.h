// What leaves a sequence: metadata looked at again, every table ranked, victims demoted and removed, all of it
// recorded. It counts the attention that policies ask for, and knows which heads are idle.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/parallel.h"
#include "memory/choice.h"

namespace kedge::memory {

struct KvParts;

// Adds what `n_rows` x `group` rows of attention gave the slots [0, n_slots) of a table, [rows][stride], to its scores.
void add_scores(const Observation& observe, std::span<uint32_t> scores, const float* mass, size_t stride, int n_rows,
                int group, int n_slots);

class Evictor {
 public:
  // Takes tokens out of every table until n_keep are left. Errors: kCapacity (pages that others share would have to be
  // copied and the arena has none), kIo (the cold tier); nothing has left then.
  Status evict(KvParts& m, int n_keep, const ThreadTeam& team);
  // What is pinned now, and how.
  std::vector<TagSpan> pins(const KvParts& m) const;
  size_t bytes() const { return (sink_attention_.capacity() + all_attention_.capacity()) * sizeof(uint64_t); }

  friend class SnapshotAccess;

 private:
  void watch_sinks(const KvParts& m);  // how much of the attention counted since the last event rests on the sinks
  bool idle(int table) const;

  // By table: attention on the sinks and on all tokens, added up over the events; empty before any was counted.
  std::vector<uint64_t> sink_attention_;
  std::vector<uint64_t> all_attention_;
};

}  // namespace kedge::memory
