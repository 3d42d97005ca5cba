// SnapKV (Li et al. 2024, arXiv 2404.14469): the attention of the last window of tokens, pooled over neighbours, per
// head. Made for a whole prompt; here the window ends where the budget is full, and what earlier windows counted is
// halved each time.
#include "memory/eviction/policy.h"

namespace kedge::memory {

namespace {
constexpr int kPool = 7;

void rank(const EvictionView& view, std::span<Rank> out) {
  const std::vector<uint32_t> score = pooled(view.score, kPool);
  for (size_t i = 0; i < view.size(); ++i) {
    const bool floor = view.sink(i) || view.recent(i);
    out[i] = {static_cast<uint8_t>(floor ? 1 : 0), score[i]};
  }
}
}  // namespace

const EvictionPolicy& snapkv_policy() {
  static constexpr EvictionPolicy kPolicy = {
      .about = "by the pooled attention of the latest tokens (SnapKV)",
      .per_table = true,
      .observe = {.rows = 64, .largest = false, .after = Observation::After::kHalve},
      .rank = rank};
  return kPolicy;
}

}  // namespace kedge::memory
