// Rotary positions: the frequency of every pair of a head, and the cosines and sines of a position.
#pragma once

#include <vector>

#include "engine/config.h"

namespace kedge::engine {

struct RopeTable {
  std::vector<float> frequency;  // [n_rot/2], radians per position
  float magnitude = 1.0f;        // multiplies cosine and sine (YaRN's attention factor)
  RopeLayout layout = RopeLayout::kHalfSplit;
  int at = 0;     // where its values lie within ModelConfig::rope_floats
  int index = 0;  // of the model's tables
  // What sequences of a long context use instead (StepPart::far_context), of as many pairs; null: the same.
  const RopeTable* far = nullptr;

  // cos_sin: [n_rot/2][2]. The angle is the float32 product position * frequency, as the models were trained with.
  void fill(int position, float* cos_sin) const;
};

// `divisors` (n_rot/2, or null) are the model's own frequency factors (rope_freqs.weight).
// YaRN: Peng et al. 2023, https://arxiv.org/abs/2309.00071
RopeTable make_rope_table(const RopeConfig& config, const float* divisors);

}  // namespace kedge::engine
