// Token omission via attention (TOVA, Oren et al. 2024, arXiv 2401.06104): what the last token looks at least leaves.
// Here per kv-head, and the sinks and recent floors hold.
#include "memory/eviction/policy.h"

namespace kedge::memory {

namespace {
void rank(const EvictionView& view, std::span<Rank> out) {
  for (size_t i = 0; i < view.size(); ++i) {
    const bool floor = view.sink(i) || view.recent(i);
    out[i] = {static_cast<uint8_t>(floor ? 1 : 0), view.score[i]};
  }
}
}  // namespace

const EvictionPolicy& tova_policy() {
  static constexpr EvictionPolicy kPolicy = {
      .about = "by the attention of the last token (TOVA)",
      .per_table = true,
      .observe = {.rows = 1, .largest = false, .after = Observation::After::kForget},
      .rank = rank};
  return kPolicy;
}

}  // namespace kedge::memory
