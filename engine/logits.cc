#include "engine/logits.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace kedge::engine {

namespace {
constexpr float kMost = std::numeric_limits<float>::max();
}  // namespace

Peak peak_of(std::span<const float> logits) {
  constexpr size_t kLanes = 16;
  float highest[kLanes];
  uint32_t faults[kLanes] = {};
  std::fill_n(highest, kLanes, -kMost);
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    const float* x = logits.data() + i;
    for (size_t j = 0; j < kLanes; ++j) {
      highest[j] = x[j] > highest[j] ? x[j] : highest[j];
      faults[j] |= std::fabs(x[j]) <= kMost ? 0u : 1u;
    }
  }
  for (; i < logits.size(); ++i) {
    highest[0] = logits[i] > highest[0] ? logits[i] : highest[0];
    faults[0] |= std::fabs(logits[i]) <= kMost ? 0u : 1u;
  }
  Peak all{-kMost, true};
  for (size_t j = 0; j < kLanes; ++j) {
    all.highest = std::max(all.highest, highest[j]);
    all.finite = all.finite && faults[j] == 0;
  }
  return all;
}

bool all_finite(std::span<const float> logits) {
  // Most of the time is spent on rows without a fault: this loop has no exit and so vectorises.
  uint32_t faults = 0;
  for (const float l : logits) faults |= std::fabs(l) <= kMost ? 0u : 1u;
  return faults == 0;
}

bool copy_finite(std::span<const float> logits, float* to) {
  constexpr size_t kRun = 1024;  // stays in the first-level cache between the two
  bool finite = true;
  for (size_t at = 0; at < logits.size(); at += kRun) {
    const std::span<const float> run = logits.subspan(at, std::min(kRun, logits.size() - at));
    std::memcpy(to + at, run.data(), run.size_bytes());
    finite = all_finite(run) && finite;
  }
  return finite;
}

}  // namespace kedge::engine
