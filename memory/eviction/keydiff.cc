// KeyDiff (Park et al. 2025, arXiv 2504.15364): keys that point where most keys point leave first, per head; no
// attention is looked at. The sinks and recent floors hold.
#include "memory/eviction/policy.h"

namespace kedge::memory {

namespace {
void rank(const EvictionView& view, std::span<Rank> out) {
  for (size_t i = 0; i < view.size(); ++i) {
    const bool floor = view.sink(i) || view.recent(i);
    out[i] = {static_cast<uint8_t>(floor ? 1 : 0), score_of((1.0f - view.key_likeness[i]) * 0.5f)};
  }
}
}  // namespace

const EvictionPolicy& keydiff_policy() {
  static constexpr EvictionPolicy kPolicy = {.about = "keys unlike the others stay (KeyDiff)",
                                             .per_table = true,
                                             .key_likeness = EvictionPolicy::Wants::kAlways,
                                             .observe = {},
                                             .rank = rank};
  return kPolicy;
}

}  // namespace kedge::memory
