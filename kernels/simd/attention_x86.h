// What the attention kernels need beyond Vec16 and the panel operations of S: horizontal results in registers, and the
// shapes of the register tiles. Included by simd/table.cc only.
#pragma once

#include <immintrin.h>

#include "kernels/kernel_table.h"

namespace kedge::kernels::KEDGE_ISA {

// Most rows of a register tile, and how many 16-lane vectors it is wide. Tiles of many rows keep both fma ports busy;
// tiles of few rows are wider, so that there are enough independent chains.
#if defined(__AVX512VNNI__)
inline constexpr int kScoreRows = 8;
inline constexpr int kValueRows = 6;
inline constexpr int kIntRows = 4;
inline constexpr int kIntVectors = 2;  // registers of tokens in a tile of integer dots
constexpr int score_vectors(int) { return 2; }
constexpr int value_vectors(int rows) { return rows > 2 ? 4 : 8; }
#else
inline constexpr int kScoreRows = 6;
inline constexpr int kValueRows = 6;
inline constexpr int kIntRows = 4;
inline constexpr int kIntVectors = 1;
constexpr int score_vectors(int rows) { return rows > 2 ? 1 : 2; }
constexpr int value_vectors(int rows) { return rows > 2 ? 1 : 2; }
#endif

struct Fold {
  KEDGE_INLINE static __m256 low(const S::F32x16& x) {
#if defined(__AVX512VNNI__)
    return _mm512_castps512_ps256(x.v[0]);
#else
    return x.v[0];
#endif
  }
  KEDGE_INLINE static __m256 high(const S::F32x16& x) {
#if defined(__AVX512VNNI__)
    return _mm512_extractf32x8_ps(x.v[0], 1);
#else
    return x.v[1];
#endif
  }
  // The fixed tree of Vec16::tree_sum().
  KEDGE_INLINE static float sum(const S::F32x16& x) {
    const __m256 a = _mm256_add_ps(low(x), high(x));
    const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
  }
  KEDGE_INLINE static float max(const S::F32x16& x) {
    const __m256 a = _mm256_max_ps(low(x), high(x));
    const __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
  }
};

}  // namespace kedge::kernels::KEDGE_ISA
