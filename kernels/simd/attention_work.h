// Working memory of one attention call and the ways a page's values are read. Included by simd/table.cc only.
#pragma once

#include <cstddef>
#include <type_traits>

#include "kernels/kernel_table.h"

namespace kedge::kernels::KEDGE_ISA {

// Floats from one row of q or of the accumulators to the next. A constant, so that a tile's rows are one pointer and
// displacements; an odd number of cache lines, so that they do not fall into the same sets.
inline constexpr int kRowStride = kMaxHeadDim + 16;
inline constexpr int kCodeStride = kMaxHeadDim;

// Lives in AttendRows::scratch; only the parts a call needs are touched.
struct AttendWork {
  alignas(64) float scores[kMaxAttendRows][kPageTokens];  // of one page, then its weights
  alignas(64) float wide[kMaxHeadDim * kPageTokens];      // a page's keys or values as float32
  alignas(64) float value_scales[kMaxHeadDim];            // quantised: [32][head_dim_v / 32]
  alignas(64) float key_scales[kMaxHeadDim];              // quantised: [head_dim_k / 32][32]
  alignas(64) int8_t codes[kMaxHeadDim * kPageTokens];    // Q4_0: a page's values as Q8_0 has them
  alignas(64) float q[kMaxAttendRows][kRowStride];
  alignas(64) float acc[kMaxAttendRows][kRowStride];  // of the current chunk; padded to 16
  alignas(64) int8_t q8[kMaxAttendRows][kCodeStride];
  float dq[kMaxAttendRows][kMaxHeadDim / 32];
  int16_t q_sums[kMaxAttendRows][kMaxHeadDim / 32];
  // The online softmax of the current chunk, and of the chunks before it.
  float max[kMaxAttendRows];
  float sum[kMaxAttendRows];
  float total_max[kMaxAttendRows];
  float total_sum[kMaxAttendRows];
  float rescale[kMaxAttendRows];  // of what was accumulated, to the new largest score
  // What the rows see of the current page.
  int t0[kMaxAttendRows];
  int t1[kMaxAttendRows];
  // For the masses: per page of the current chunk.
  alignas(64) float page_max[kMaxAttendRows][kChunkPages];
};
static_assert(sizeof(AttendWork) <= kAttendScratchBytes);
static_assert(kChunkPages == 16, "the factors of a chunk's pages are one vector");

// Keys or values of a page as vectors of 16 floats: `at` counts values from the start of the matrix.
struct LoadF32 {
  const float* p;
  KEDGE_INLINE V load(size_t at) const { return V::load(p + at); }
  KEDGE_INLINE float scalar(size_t at) const { return p[at]; }
};
struct LoadF16 {
  const uint16_t* p;
  KEDGE_INLINE V load(size_t at) const { return S::f16_to_f32x16(p + at); }
  KEDGE_INLINE float scalar(size_t at) const { return f16_to_f32(p[at]); }
};
struct LoadQ8 {
  const int8_t* p;
  const float* scales;  // one per 32 values
  KEDGE_INLINE V load(size_t at) const { return S::i8_to_f32x16(p + at) * V::set1(scales[at / 32]); }
  KEDGE_INLINE float scalar(size_t at) const { return static_cast<float>(p[at]) * scales[at / 32]; }
};

// Memory that will be read next: fetched a little with every step of a loop, so that a page streams in while the one
// before it is worked on. To the second level: the first one has too few outstanding misses for a whole page.
struct Ahead {
  const std::byte* p = nullptr;
  size_t step = 0;  // bytes per step of the loop; 0: nothing to fetch
  KEDGE_INLINE void fetch(int i) const {
    const std::byte* from = p + static_cast<size_t>(i) * step;
    for (size_t b = 0; b < step; b += 64) __builtin_prefetch(from + b, 0, 2);
  }
};

// Calls f with n (1..kMost) as a compile-time constant.
template <int kMost, class F>
KEDGE_INLINE void with_rows(int n, F&& f) {
  if constexpr (kMost > 1) {
    if (n < kMost) return with_rows<kMost - 1>(n, f);
  }
  f(std::integral_constant<int, kMost>{});
}

// [rows][width] to float32 rows padded with zeros to `padded`.
template <class L>
static void widen(const L& from, int rows, int width, int padded, float* to, const Ahead& ahead) {
  for (int r = 0; r < rows; ++r) {
    ahead.fetch(r);
    const size_t at = static_cast<size_t>(r) * static_cast<size_t>(width);
    int i = 0;
    for (; i + 16 <= width; i += 16) from.load(at + static_cast<size_t>(i)).store(to + i);
    for (; i < width; ++i) to[i] = from.scalar(at + static_cast<size_t>(i));
    for (; i < padded; ++i) to[i] = 0.0f;
    to += padded;
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
