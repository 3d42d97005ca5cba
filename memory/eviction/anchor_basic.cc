// The mission's own policy, kept as it was given: tokens that are references and whose attention exceeds 0.6 are
// anchors; anchors stay, then the latest others (memory/anchors/anchor_basic.h has it as two functions). The share of
// attention is that of the last token's row, the largest of a group's heads, averaged over the tables: 0.6 is rarely
// exceeded but by the first token, which is why `anchor` does it otherwise. Hard pins, which were promised, hold here
// too.
#include "memory/eviction/policy.h"

namespace kedge::memory {

namespace {
constexpr float kThreshold = 0.6f;

void rank(const EvictionView& view, std::span<Rank> out) {
  for (size_t i = 0; i < view.size(); ++i) {
    const bool anchor = view.tag[i].pin != PinClass::kNone && view.score[i] > score_of(kThreshold);
    const bool hard = view.tag[i].pin == PinClass::kHard;
    out[i] = hard ? Rank{2, 0} : anchor ? Rank{1, view.score[i]} : Rank{0, static_cast<uint32_t>(view.position[i])};
  }
}
}  // namespace

const EvictionPolicy& anchor_basic_policy() {
  static constexpr EvictionPolicy kPolicy = {
      .about = "references with an attention above 0.6, then the latest tokens",
      .uses_metadata = true,
      .observe = {.rows = 1, .largest = true, .after = Observation::After::kForget},
      .rank = rank};
  return kPolicy;
}

}  // namespace kedge::memory
