// What a session's KV memory is told when it is made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "kernels/kv_page.h"

namespace kedge::memory {

struct KvOptions {
  int budget = 0;  // tokens kept hot in every table; 0: as many as the sequence has positions, nothing is evicted
  std::string policy = "anchor";
  int sinks = 4;                  // first tokens that stay
  int recent = -1;                // latest tokens that stay; -1: default_recent()
  float anchor_threshold = 0.6f;  // percentile of attention above which a weak reference is pinned
  float anchor_cap = 0.75f;       // share of the budget that soft pins may take
  int anchor_margin = 4;          // tokens kept beside a pinned span while there is room
  bool anchor_detect = true;      // mark references in all text

  enum class Cold { kOff, kRam, kFile };
  Cold cold = Cold::kOff;
  std::string cold_path;
  size_t cold_bytes = size_t{256} << 20;
  std::optional<KvFormat> cold_format;  // none: as the hot pages
  float recall_threshold = 0;           // of attention that cold keys could get; 0: off

  int forks = 1;   // sequences that may share the arena
  int log = 1024;  // events kept
  uint64_t seed = 0;
};

// An eighth of the budget, at least 64 tokens, but of a small budget not more than a quarter.
inline int default_recent(int budget) {
  const int eighth = budget / 8;
  const int least = budget / 4 < 64 ? budget / 4 : 64;
  return eighth > least ? eighth : least;
}

// Tokens that leave at once when the budget is full: so many that an eviction is rare and a prefill step not tiny, so
// few that hardly a slot stays empty.
inline int eviction_quantum(int budget) {
  constexpr int kMost = 256;
  const int n = budget / 16 > 8 ? budget / 16 : 8;
  return n < kMost ? n : kMost;
}

// Every so many tokens the queries of one are held against the keys of the cold tier, when that is on.
inline constexpr int kProbeEvery = 16;

// The smallest budget that leaves room for what an eviction does.
inline constexpr int kMinBudget = 32;

}  // namespace kedge::memory
