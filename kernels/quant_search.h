// The search behind `quantise`: scales and codes with the least squared error. Each function takes the block's values x
// and their weights w (null: all 1) and minimises sum w * (x - value)^2 over what the format can store, so scales are
// already rounded to half precision (and sub-scales to integers) when the final codes and errors are computed. Plain
// squared error on purpose: it is what we measure and report; importance enters only through w.
//
// The search: level 1 tries a grid of scales around the one that just reaches the largest value, then alternates
// (nearest codes for the scale; least-squares scale for the codes). Super-blocks add level 2: for each candidate of d
// the integer sub-scales are chosen by trying the neighbours of the rounded one, then d (and dmin) follow by least
// squares, and again until nothing improves. Deterministic, the same on every CPU, no allocation, no failure:
// x must be finite; values beyond what half-precision scales reach are clipped.
#pragma once

#include <cstdint>

#include "kernels/base/rooms.h"

namespace kedge::kernels::quants {

// What a code can stand for before the scale: every integer in [lo, hi], or, when `steps` is set, the 16 ascending
// values steps[i] - zero, of which the first is lo and the last hi.
struct CodeValues {
  int lo;
  int hi;
  const uint8_t* steps = nullptr;
  int zero = 0;
};

// n values (32, 64 or 256) = d * values[i]. Returns d in half precision.
uint16_t fit_block(const float* x, const float* w, const CodeValues& codes, int8_t* values, int n = 32);

// n values = d * (+1 or -1). Returns d in half precision.
uint16_t fit_signs(const float* x, const float* w, int n);

// 32 values = d * codes[i] + m with codes in [0, hi].
void fit_block_min(const float* x, const float* w, int hi, uint16_t* d, uint16_t* m, uint8_t* codes);

struct SuperFit {
  uint16_t d;
  uint16_t dmin;
  int8_t scales[16];
  uint8_t mins[16];
  int8_t values[256];
};

// 256 values = d * scales[j] * values[i] in sub-blocks of `sub` (16 or 32), scales in [scale_lo, scale_hi].
void fit_super(const float* x, const float* w, const CodeValues& codes, int sub, int scale_lo, int scale_hi,
               SuperFit* fit);

// 256 values = d * scales[j] * values[i] - dmin * mins[j], values in [0, hi], scales and mins in [0, scale_hi].
void fit_super_min(const float* x, const float* w, int hi, int sub, int scale_hi, SuperFit* fit);

}  // namespace kedge::kernels::quants
