// The weighted sum of a page's values for a tile of rows: lanes are the dimensions, tokens are added one by one by fma.
// Included by simd/table.cc only.
#pragma once

#include "kernels/simd/attention_work.h"

namespace kedge::kernels::KEDGE_ISA {

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
    for (int c = 0; c < kC; ++c) acc[r][c] = V::load(out + r * kRowStride + 16 * c) * V::set1(w.rescale[row + r]);
  }
#pragma GCC unroll 2
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
template <class L, int kR, bool kAhead>
static void value_columns(const L& values, int width, int row, int t0, int t1, AttendWork& w, Ahead ahead) {
  constexpr int kC = value_vectors(kR);
  int i = 0;
  for (; i + 16 * kC <= width; i += 16 * kC) {
    value_tile<L, kR, kC, kAhead>(values, width, row, t0, t1, i, w, ahead);
    ahead.step = 0;
  }
  for (; i < width; i += 16) value_tile<L, kR, 1, kAhead>(values, width, row, t0, t1, i, w, ahead);
}

// A part of what one row sees; the first part of a page rescales.
template <class L>
static void value_once(const L& values, int width, int row, int t0, int t1, AttendWork& w) {
  value_columns<L, 1, false>(values, width, row, t0, t1, w, {});
  w.rescale[row] = 1.0f;
}

// Rows that see different tokens of the page share a tile over the tokens all of them see; what some see before and
// after is added row by row, which keeps every row's order.
template <class L, int kR, bool kAhead>
static void value_group(const L& values, int width, int row, AttendWork& w, const Ahead& ahead) {
  int low = 0;
  int high = kPageTokens;
  for (int r = row; r < row + kR; ++r) {
    low = w.t0[r] > low ? w.t0[r] : low;
    high = w.t1[r] < high ? w.t1[r] : high;
  }
  high = high > low ? high : low;
  for (int r = row; r < row + kR; ++r) {
    const int until = w.t1[r] < low ? w.t1[r] : low;
    if (w.t0[r] < until) value_once(values, width, r, w.t0[r], until, w);
  }
  if (low < high) {
    value_columns<L, kR, kAhead>(values, width, row, low, high, w, ahead);
    for (int r = row; r < row + kR; ++r) w.rescale[r] = 1.0f;
  }
  for (int r = row; r < row + kR; ++r) {
    const int from = w.t0[r] > high ? w.t0[r] : high;
    if (from < w.t1[r]) value_once(values, width, r, from, w.t1[r], w);
  }
}

// Rows [r0, r1); memory ahead is fetched with the first group.
template <class L, bool kAhead>
static void value_rows(const L& values, int width, int r0, int r1, AttendWork& w, Ahead ahead) {
  for (int r = r0; r < r1; r += kValueRows) {
    with_rows<kValueRows>(r1 - r, [&](auto n) { value_group<L, n(), kAhead>(values, width, r, w, ahead); });
    ahead.step = 0;
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
