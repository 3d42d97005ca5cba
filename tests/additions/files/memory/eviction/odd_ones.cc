// Tokens at odd positions leave first. For nothing but the test of additions.
#include "memory/eviction/policy.h"

namespace kedge::memory {

namespace {
void rank(const EvictionView& view, std::span<Rank> out) {
  for (size_t i = 0; i < view.size(); ++i) {
    const bool stays = view.position[i] % 2 == 0;
    out[i] = {static_cast<uint8_t>(stays ? 1 : 0), static_cast<uint32_t>(view.position[i])};
  }
}
}  // namespace

const EvictionPolicy& odd_ones_policy() {
  static constexpr EvictionPolicy kPolicy = {.about = "odd positions leave first", .observe = {}, .rank = rank};
  return kPolicy;
}

}  // namespace kedge::memory
