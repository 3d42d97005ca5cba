// Keeps everything: a full budget is an error instead of a loss.
#include "memory/eviction/policy.h"

namespace kedge::memory {

const EvictionPolicy& full_policy() {
  static constexpr EvictionPolicy kPolicy = {
      .about = "never evicts; a full budget is an error", .evicts = false, .observe = {}};
  return kPolicy;
}

}  // namespace kedge::memory
