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

// A block of 8 x 8 floats, its rows to columns.
KEDGE_INLINE void turn8(const float* from, size_t from_pitch, float* to, size_t to_pitch) {
  __m256 r[8];
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from + i * from_pitch);
  __m256 pairs[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  // Of four rows each: columns 0 | 4, 1 | 5, 2 | 6, 3 | 7.
  __m256 fours[8];
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
    fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * to_pitch, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * to_pitch, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31));
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
