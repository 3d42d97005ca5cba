// Which tokens leave: the lowest ranks the policy gives the tokens of a table, or, when tables agree, of all of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "memory/eviction/policy.h"
#include "memory/kv_sequence.h"
#include "memory/kv_setup.h"
#include "memory/pins.h"

namespace kedge::memory {

struct Choice {
  std::vector<int32_t> slots;      // ascending
  std::vector<int32_t> positions;  // ascending: not in the order of slots
  std::vector<Rank> ranks;         // of the positions
  std::vector<bool> anchored;      // of the positions
};

struct ChoiceQuestion {
  int table = -1;  // -1: all of them agree
  int n_keep = 0;  // slots
  std::span<const TagSpan> spans;
  bool idle = false;      // the head is
  uint64_t n_events = 0;  // before this one
};

Choice choose(const KvSetup& setup, const KvSequence& sequence, const ChoiceQuestion& question);

// By slot: the cosine of each key with the mean of all normalised keys.
std::vector<float> key_likeness(const KvSequence& sequence, int table);

}  // namespace kedge::memory
