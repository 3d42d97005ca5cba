// What the two searches share: blocks of values as compiler vectors, and rounding to the nearest code.
// For kernels/quant_search*.cc only.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/base/float16.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::search {

using V4 = float __attribute__((vector_size(16)));  // compiler vectors: baseline instructions, the same bits everywhere

inline float sum(V4 a) { return (a[0] + a[1]) + (a[2] + a[3]); }
inline V4 max(V4 a, V4 b) { return a > b ? a : b; }  // b where a is NaN
inline V4 min(V4 a, V4 b) { return a < b ? a : b; }
inline V4 set1(float a) { return V4{a, a, a, a}; }

constexpr float kHalfMax = 65504.0f;
inline float half(float v) { return f16_to_f32(f32_to_f16(std::clamp(v, -kHalfMax, kHalfMax))); }

// A sub-block (or block) and its weights.
template <int N>
struct Values {
  static constexpr int kVectors = N / 4;
  V4 x[kVectors];
  V4 w[kVectors];

  void load(const float* px, const float* pw) {
    for (int i = 0; i < kVectors; ++i) {  // no format reaches 1e9, and squares must stay finite
      const V4 v{px[4 * i], px[4 * i + 1], px[4 * i + 2], px[4 * i + 3]};
      x[i] = min(max(v, set1(-1e9f)), set1(1e9f));
      w[i] = pw == nullptr ? set1(1) : V4{pw[4 * i], pw[4 * i + 1], pw[4 * i + 2], pw[4 * i + 3]};
    }
  }
};

// Nearest integer in [lo, hi]; adding 1.5 * 2^23 rounds to integer, ties to even.
struct Linear {
  V4 lo, hi;
  explicit Linear(const CodeValues& c) : lo(set1(static_cast<float>(c.lo))), hi(set1(static_cast<float>(c.hi))) {}
  V4 nearest(V4 v) const {
    const V4 magic = set1(12582912.0f);
    return (min(max(v, lo), hi) + magic) - magic;
  }
};

// Nearest of 16 steps: start at the first and add each difference whose midpoint is passed.
struct Stepped {
  V4 first, middle[15], rise[15];
  explicit Stepped(const CodeValues& c) : first(set1(static_cast<float>(c.steps[0] - c.zero))) {
    for (int i = 0; i < 15; ++i) {
      middle[i] = set1(0.5f * static_cast<float>(c.steps[i] + c.steps[i + 1] - 2 * c.zero));
      rise[i] = set1(static_cast<float>(c.steps[i + 1] - c.steps[i]));
    }
  }
  V4 nearest(V4 v) const {
    V4 q = first;
    for (int i = 0; i < 15; ++i) q += v > middle[i] ? rise[i] : set1(0);
    return q;
  }
};

inline float inverse(float scale) { return scale != 0 ? 1.0f / scale : 0.0f; }

}  // namespace kedge::kernels::quants::search
