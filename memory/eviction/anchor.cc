// Eviction by metadata. Tiers, from what stays longest: hard pins; sinks and the beginnings of segments; the recent
// floor; soft pins within cap and quotas, by priority and last use; margins beside them; the rest, surplus pins
// included, by the attention they get, pooled over neighbours and weighed by the length of the value: what a token adds
// to the sum is its share times its value (Guo et al. 2024, arXiv 2406.12335). Attention promotes, it never demotes a
// pin.
#include <algorithm>

#include "memory/eviction/policy.h"

namespace kedge {

namespace {

constexpr int kPool = 7;

uint8_t tier(const EvictionView& view, size_t i) {
  const PinClass pin = view.tag[i].pin;
  if (pin == PinClass::kHard) return 6;
  if (view.sink(i) || pin == PinClass::kBoundary) return 5;
  if (view.recent(i)) return 4;
  if (pin == PinClass::kSoft) return 3;
  if (pin == PinClass::kMargin) return 2;
  return 1;
}

void rank(const EvictionView& view, std::span<Rank> out) {
  const std::vector<uint32_t> score = pooled(view.score, kPool);
  for (size_t i = 0; i < view.size(); ++i) {
    out[i].tier = tier(view, i);
    if (out[i].tier == 3) {
      out[i].score = view.tag[i].rank;
    } else {
      const double weighed = static_cast<double>(score[i]) * static_cast<double>(view.value_norm[i]);
      out[i].score = static_cast<uint32_t>(std::min(weighed, 4294967295.0));
    }
  }
}

}  // namespace

const EvictionPolicy& anchor_policy() {
  static constexpr EvictionPolicy kPolicy = {
      .about = "pinned references outlive recency; the rest by attention and value",
      .per_table = true,
      .uses_metadata = true,
      .wants_value_norm = true,
      .observe = {.rows = 32, .largest = true, .after = Observation::After::kHalve},
      .rank = rank};
  return kPolicy;
}

}  // namespace kedge
