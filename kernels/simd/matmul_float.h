// Matmul with F32, F16 and BF16 weights: sixteen lanes over k for every output, reduced by the fixed tree. Tiles go
// over rows and tokens only. Included by simd/table.cc only.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/quants/f32.h"

namespace kedge::KEDGE_ISA {

// Register tile: kFloatRows x kFloatTokens accumulators of 16 lanes.
inline constexpr int kFloatRows = kVnni ? 4 : 2;
inline constexpr int kFloatTokens = kVnni ? 6 : 3;

// One tile. w[r] points at row r's values, x[t] at token t's; out[t][r] gets the sum.
template <class F, int kR, int kT>
KEDGE_INLINE void float_tile(const typename F::Block* const* w, const float* const* x, int k, float* const* out) {
  V acc[kR][kT];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) acc[r][t] = V::zero();
  }
  int i = 0;
  for (; i + 16 <= k; i += 16) {
    V a[kR];
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      // The same place of the next rows: rows lie one after the other, so this reads ahead linearly.
      if (kT < 4)
        __builtin_prefetch(reinterpret_cast<const char*>(w[r] + i) +
                           kR * static_cast<size_t>(k) * sizeof(typename F::Block));
      a[r] = F::template load16<S>(w[r] + i);
    }
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const V b = V::load(x[t] + i);
#pragma GCC unroll 16
      for (int r = 0; r < kR; ++r) acc[r][t] = fma(a[r], b, acc[r][t]);
    }
  }
  if (i < k) {
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      float tail[16] = {};
      for (int j = i; j < k; ++j) tail[j - i] = F::to_float(w[r][j]);
      const V a = V::load(tail);
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) acc[r][t] = fma(a, V::load_part(x[t] + i, k - i, 0.0f), acc[r][t]);
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < kT; ++t) {
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) out[t][r] = acc[r][t].tree_sum();
  }
}

template <class F, int kR>
KEDGE_INLINE void float_row_tile(const typename F::Block* const* w, const ActRows& x, float* y, size_t ldy) {
  const float* in[kFloatTokens];
  float* out[kFloatTokens];
  for (int t = 0; t < x.n;) {
    const int nt = x.n - t < kFloatTokens ? x.n - t : kFloatTokens;
    for (int j = 0; j < nt; ++j) {
      in[j] = x.x + static_cast<size_t>(t + j) * static_cast<size_t>(x.k);
      out[j] = y + static_cast<size_t>(t + j) * ldy;
    }
    switch (nt) {
      case 1:
        float_tile<F, kR, 1>(w, in, x.k, out);
        break;
      case 2:
        float_tile<F, kR, 2>(w, in, x.k, out);
        break;
      case 3:
        float_tile<F, kR, 3>(w, in, x.k, out);
        break;
#if defined(__AVX512VNNI__)
      case 4:
        float_tile<F, kR, 4>(w, in, x.k, out);
        break;
      case 5:
        float_tile<F, kR, 5>(w, in, x.k, out);
        break;
      case 6:
        float_tile<F, kR, 6>(w, in, x.k, out);
        break;
#endif
      default:
        break;
    }
    t += nt;
  }
}

template <class F>
static void matmul_float(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  // With many tokens 16-bit weights are widened once per row tile instead of once per token tile.
  const bool widen = sizeof(typename F::Block) == 2 && x.n > 2 * kFloatTokens;
  auto* wide = reinterpret_cast<float*>(scratch);
  for (int r = 0; r < w.n_rows;) {
    const int nr = w.n_rows - r < kFloatRows ? 1 : kFloatRows;
    const typename F::Block* rows[kFloatRows];
    const float* wide_rows[kFloatRows];
    for (int j = 0; j < nr; ++j) {
      rows[j] = reinterpret_cast<const typename F::Block*>(w.data + static_cast<size_t>(r + j) * w.stride);
      wide_rows[j] = wide + static_cast<size_t>(j) * static_cast<size_t>(x.k);
      if (!widen) continue;
      auto* to = wide + static_cast<size_t>(j) * static_cast<size_t>(x.k);
      int i = 0;
      for (; i + 16 <= x.k; i += 16) F::template load16<S>(rows[j] + i).store(to + i);
      for (; i < x.k; ++i) to[i] = F::to_float(rows[j][i]);
    }
    if (widen) {
      nr == 1 ? float_row_tile<quants::f32::Format, 1>(wide_rows, x, y + r, ldy)
              : float_row_tile<quants::f32::Format, kFloatRows>(wide_rows, x, y + r, ldy);
    } else {
      nr == 1 ? float_row_tile<F, 1>(rows, x, y + r, ldy) : float_row_tile<F, kFloatRows>(rows, x, y + r, ldy);
    }
    r += nr;
  }
}

}  // namespace kedge::KEDGE_ISA
