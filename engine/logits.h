// Passes over rows of logits. A vocabulary's are larger than a second-level cache leaves room for: every pass counts.
#pragma once

#include <span>

#include "kernels/base/rooms.h"

namespace kedge::engine {

struct Peak {
  float highest;  // if all are finite
  bool finite;    // all are
};
// Of at least one logit.
Peak peak_of(std::span<const float> logits);

// True when all are finite.
bool all_finite(std::span<const float> logits);
// The same of what it copies.
bool copy_finite(std::span<const float> logits, float* to);

}  // namespace kedge::engine
