// Heavy hitters (H2O, Zhang et al. 2023, arXiv 2306.14048): half of the budget for the latest tokens, the other half
// for those that collected most attention from all rows so far, per head.
#include "memory/eviction/policy.h"

namespace kedge::memory {

namespace {
void rank(const EvictionView& view, std::span<Rank> out) {
  const size_t recent = static_cast<size_t>(view.knobs.budget) / 2;
  for (size_t i = 0; i < view.size(); ++i) {
    const bool late = i + recent >= view.size();
    out[i] = {static_cast<uint8_t>(late ? 1 : 0), view.score[i]};
  }
}
}  // namespace

const EvictionPolicy& h2o_policy() {
  static constexpr EvictionPolicy kPolicy = {
      .about = "half recent, half by accumulated attention (H2O)",
      .per_table = true,
      .observe = {.rows = Observation::kAll, .largest = false, .after = Observation::After::kKeep},
      .rank = rank};
  return kPolicy;
}

}  // namespace kedge::memory
