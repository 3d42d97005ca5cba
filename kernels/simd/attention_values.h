// The weighted sum of a page's values for a tile of rows: lanes are the dimensions, tokens are added one by one by fma.
// Included by simd/table.cc only.
#pragma once

#include "kernels/simd/attention_work.h"
#include "kernels/simd/attention_x86.h"

namespace kedge::KEDGE_ISA {

// kR rows from `row` on, tokens [t0, t1), kC vectors of dimensions from `first` on. `width`: values per token.
template <class L, int kR, int kC, bool kAhead>
static void value_tile(const L& values, int width, int row, int t0, int t1, int first, AttendWork& w,
                       const Ahead& ahead) {
  float* out = w.acc[row] + first;
  const float* weight = w.scores[row];
  V acc[kR][kC];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < kC; ++c) acc[r][c] = V::load(out + r * kRowStride + 16 * c);
  }
  for (int t = t0; t < t1; ++t) {
    V v[kC];
#pragma GCC unroll 16
    for (int c = 0; c < kC; ++c) {
      v[c] = values.load(static_cast<size_t>(t) * static_cast<size_t>(width) + static_cast<size_t>(first + 16 * c));
    }
    if constexpr (kAhead) ahead.fetch(t);
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      const V p = V::set1(weight[r * kPageTokens + t]);
#pragma GCC unroll 16
      for (int c = 0; c < kC; ++c) acc[r][c] = fma(p, v[c], acc[r][c]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < kC; ++c) acc[r][c].store(out + r * kRowStride + 16 * c);
  }
}

// All dimensions; `width` is a multiple of 16.
template <class L, int kR, int kC>
static void value_columns(const L& values, int width, int row, int t0, int t1, AttendWork& w, const Ahead& ahead) {
  int i = 0;
  if (ahead.p != nullptr && width >= 16 * kC) {
    value_tile<L, kR, kC, true>(values, width, row, t0, t1, i, w, ahead);
    i += 16 * kC;
  }
  for (; i + 16 * kC <= width; i += 16 * kC) {
    value_tile<L, kR, kC, false>(values, width, row, t0, t1, i, w, ahead);
  }
  if constexpr (kC > 4) {
    for (; i + 64 <= width; i += 64) value_tile<L, kR, 4, false>(values, width, row, t0, t1, i, w, ahead);
  }
  for (; i < width; i += 16) value_tile<L, kR, 1, false>(values, width, row, t0, t1, i, w, ahead);
}

// Rows that see different tokens of the page share a tile over the tokens all of them see; what some see before and
// after is added row by row, which keeps every row's order.
template <class L, int kR, int kC>
static void value_group(const L& values, int width, int row, AttendWork& w, const Ahead& ahead) {
  int low = 0;
  int high = kPageTokens;
  for (int r = row; r < row + kR; ++r) {
    low = w.t0[r] > low ? w.t0[r] : low;
    high = w.t1[r] < high ? w.t1[r] : high;
  }
  high = high > low ? high : low;
  constexpr int kFew = ValueTile::kFewVectors;
  for (int r = row; r < row + kR; ++r) {
    const int until = w.t1[r] < low ? w.t1[r] : low;
    if (w.t0[r] < until) value_columns<L, 1, kFew>(values, width, r, w.t0[r], until, w, {});
  }
  if (low < high) value_columns<L, kR, kC>(values, width, row, low, high, w, ahead);
  for (int r = row; r < row + kR; ++r) {
    const int from = w.t0[r] > high ? w.t0[r] : high;
    if (from < w.t1[r]) value_columns<L, 1, kFew>(values, width, r, from, w.t1[r], w, {});
  }
}

// Rows [r0, r1); memory ahead is fetched with the first group.
template <class L>
static void value_rows(const L& values, int width, int r0, int r1, AttendWork& w, Ahead ahead) {
  using T = ValueTile;
  int r = r0;
  for (; r + T::kRows <= r1; r += T::kRows) {
    value_group<L, T::kRows, T::kVectors>(values, width, r, w, ahead);
    ahead = {};
  }
  for (; r + 4 <= r1; r += 4) {
    value_group<L, 4, T::kVectors>(values, width, r, w, ahead);
    ahead = {};
  }
  for (; r + 2 <= r1; r += 2) {
    value_group<L, 2, T::kFewVectors>(values, width, r, w, ahead);
    ahead = {};
  }
  if (r < r1) value_group<L, 1, T::kFewVectors>(values, width, r, w, ahead);
}

}  // namespace kedge::KEDGE_ISA
