// Tokens leave at random, sinks and recent ones excepted: what any selection has to beat.
#include "memory/eviction/policy.h"

namespace kedge::memory {

namespace {
void rank(const EvictionView& view, std::span<Rank> out) {
  for (size_t i = 0; i < view.size(); ++i) {
    const bool floor = view.sink(i) || view.recent(i);
    out[i] = {static_cast<uint8_t>(floor ? 1 : 0), random_of(view.random_key, view.position[i])};
  }
}
}  // namespace

const EvictionPolicy& random_policy() {
  static constexpr EvictionPolicy kPolicy = {
      .about = "a random choice beside sinks and recent tokens", .observe = {}, .rank = rank};
  return kPolicy;
}

}  // namespace kedge::memory
