// The search behind `quantise` of the lattice formats: signs, points, sub-scales and the scale with the least weighted
// squared error, as quant_search.h has it for the others. Deterministic, the same on every CPU, no failure: x must be
// finite.
#pragma once

#include <cstdint>

#include "kernels/base/rooms.h"

namespace kedge::kernels::quants {

enum class LatticeKind { kIq1S, kIq1M, kIq2Xxs, kIq2Xs, kIq2S, kIq3Xxs, kIq3S };

// 256 values = d * (2 * scales[j] + 1) * sign * size (IQ1: digit + shift), sizes as the format's file says.
struct LatticeFit {
  uint16_t d;
  uint8_t scales[16];   // of sub-blocks, below 16 (IQ1: 8)
  uint16_t points[64];  // numbers of points, for every four (IQ3) or eight values
  uint32_t signs[8];    // bit i of 32: value i is negative
  bool down[32];        // IQ1, of points: the shift is negative
};

void fit_lattice(const float* x, const float* w, LatticeKind kind, LatticeFit* fit);

}  // namespace kedge::kernels::quants
