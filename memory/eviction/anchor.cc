// Eviction by metadata. Tiers, from what stays longest: hard pins; sinks and the beginnings of segments; the recent
// floor; soft pins within cap and quotas, by priority and last use; margins beside them; the rest, surplus pins
// included. The rest goes by head. Busy heads keep what they look at, pooled over neighbours; weighing it by the length
// of the value (Guo et al. 2024, arXiv 2406.12335) gained nothing on scout and sage. Idle heads, whose attention rests
// on the sinks until something is asked, keep the keys that are unlike the others (KeyDiff, Park et al. 2025, arXiv
// 2504.15364): attention alone loses every unmarked fact, keys alone cost perplexity. Attention promotes, it never
// demotes a pin.
#include <algorithm>

#include "memory/eviction/policy.h"

namespace kedge::memory {

namespace {

constexpr int kPool = 7;

enum Tier : uint8_t { kRest = 1, kMargins, kPins, kRecent, kSinks, kHardPins };

Tier tier(const EvictionView& view, size_t i) {
  const PinClass pin = view.tag[i].pin;
  if (pin == PinClass::kHard) return kHardPins;
  if (view.sink(i) || pin == PinClass::kBoundary) return kSinks;
  if (view.recent(i)) return kRecent;
  if (pin == PinClass::kSoft) return kPins;
  if (pin == PinClass::kMargin) return kMargins;
  return kRest;
}

void rank(const EvictionView& view, std::span<Rank> out) {
  const std::vector<uint32_t> score = view.idle ? std::vector<uint32_t>() : pooled(view.score, kPool);
  for (size_t i = 0; i < view.size(); ++i) {
    out[i].tier = tier(view, i);
    if (out[i].tier == kPins) {
      out[i].score = view.tag[i].rank;
    } else if (view.idle) {
      out[i].score = score_of((1.0f - view.key_likeness[i]) * 0.5f);
    } else {
      out[i].score = score[i];
    }
  }
}

}  // namespace

const EvictionPolicy& anchor_policy() {
  static constexpr EvictionPolicy kPolicy = {
      .about = "pinned references outlive recency; the rest by attention, or by keys where attention is idle",
      .per_table = true,
      .uses_metadata = true,
      .key_likeness = EvictionPolicy::Wants::kIdleHeads,
      .observe = {.rows = 32, .largest = true, .after = Observation::After::kHalve},
      .rank = rank};
  return kPolicy;
}

}  // namespace kedge::memory
