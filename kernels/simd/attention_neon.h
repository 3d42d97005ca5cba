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

// A block of 8 x 8 floats, its rows to columns.
KEDGE_INLINE void turn8(const float* from, size_t from_pitch, float* to, size_t to_pitch) {
#pragma GCC unroll 4
  for (size_t b = 0; b < 4; ++b) {
    const float* x = from + b / 2 * 4 * from_pitch + b % 2 * 4;
    float* y = to + b % 2 * 4 * to_pitch + b / 2 * 4;
    const float32x4_t r0 = vld1q_f32(x);
    const float32x4_t r1 = vld1q_f32(x + from_pitch);
    const float32x4_t r2 = vld1q_f32(x + 2 * from_pitch);
    const float32x4_t r3 = vld1q_f32(x + 3 * from_pitch);
    const float32x4_t a = vzip1q_f32(r0, r2);
    const float32x4_t c = vzip2q_f32(r0, r2);
    const float32x4_t d = vzip1q_f32(r1, r3);
    const float32x4_t e = vzip2q_f32(r1, r3);
    vst1q_f32(y, vzip1q_f32(a, d));
    vst1q_f32(y + to_pitch, vzip2q_f32(a, d));
    vst1q_f32(y + 2 * to_pitch, vzip1q_f32(c, e));
    vst1q_f32(y + 3 * to_pitch, vzip2q_f32(c, e));
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
