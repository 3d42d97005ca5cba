// What the attention kernels need beyond Vec16 and the panel operations of S: the members of attention_x86.h, for NEON.
// Included by simd/table.cc only.
#pragma once

#include <arm_neon.h>

#include "kernels/simd/neon.h"

namespace kedge::kernels::KEDGE_ISA {

// A vector of 16 lanes is four of the 32 registers.
inline constexpr int kScoreRows = 6;
inline constexpr int kValueRows = 6;
inline constexpr int kIntRows = 4;
inline constexpr int kIntVectors = 2;  // registers of tokens in a tile of integer dots
constexpr int score_vectors(int rows) { return rows > 2 ? 1 : 2; }
constexpr int value_vectors(int rows) { return rows > 2 ? 1 : 2; }

struct Fold {
  // The fixed tree of Vec16::tree_sum().
  KEDGE_INLINE static float sum(const S::F32x16& x) {
    const float32x4_t a = vaddq_f32(vaddq_f32(x.v[0], x.v[2]), vaddq_f32(x.v[1], x.v[3]));
    const float32x2_t b = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
  }
  KEDGE_INLINE static float max(const S::F32x16& x) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.v[0], x.v[1]), vmaxq_f32(x.v[2], x.v[3])));
  }
};

}  // namespace kedge::kernels::KEDGE_ISA
