// The first tokens and the latest ones (StreamingLLM, Xiao et al. 2023, arXiv 2309.17453), at original positions.
#include "memory/eviction/policy.h"

namespace kedge::memory {

namespace {
void rank(const EvictionView& view, std::span<Rank> out) {
  for (size_t i = 0; i < view.size(); ++i) {
    out[i] = {static_cast<uint8_t>(view.sink(i) ? 1 : 0), static_cast<uint32_t>(view.position[i])};
  }
}
}  // namespace

const EvictionPolicy& sinks_policy() {
  static constexpr EvictionPolicy kPolicy = {
      .about = "the first tokens and the latest stay", .observe = {}, .rank = rank};
  return kPolicy;
}

}  // namespace kedge::memory
