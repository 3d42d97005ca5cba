// Matmul with F32, F16 and BF16 weights: sixteen lanes over k for every output, reduced by the fixed tree. Tiles go
// over rows and tokens only. Included by simd/table.cc only.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/matmul_shape.h"

namespace kedge::kernels::KEDGE_ISA {

// Register tile (matmul_shape.h): kFloatRows x kFloatTokens accumulators of 16 lanes.
inline constexpr int kFloatRows = kShapes.float_rows;
inline constexpr int kFloatTokens = kShapes.float_tokens;
// Values of a row that decode reads ahead.
inline constexpr int kFloatAhead = 1024;

// The tree sums of kR accumulators to out[0 .. kR); four at a time if there are as many.
template <int kR>
KEDGE_INLINE void store_tree_sums(const V* acc, float* out) {
  if constexpr (kR == 4) {
    S::store_tree_sums4(acc, out);
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) out[r] = acc[r].tree_sum();
  }
}

// The how manieth of the tiles that share their rows: each reads its part of the next rows ahead.
struct FloatTurn {
  int index;
  int count;
};

// One tile. w[r] points at row r's values, x[t] at token t's; out[t][r] gets the sum.
template <class F, int kR, int kT>
KEDGE_INLINE void float_tile(const typename F::Block* const* w, const float* const* x, int k, FloatTurn turn,
                             float* const* out) {
  V acc[kR][kT];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) acc[r][t] = V::zero();
  }
  constexpr int kLine = 64 / static_cast<int>(sizeof(typename F::Block));
  int i = 0;
  for (; i + 16 <= k; i += 16) {
    if (i % kLine == 0) {
      if (turn.count == 1) {
        // A little ahead in every row, and from the rows' ends on in the next kR rows.
        const int ahead = i + kFloatAhead < k ? i + kFloatAhead : i + kFloatAhead + (kR - 1) * k;
#pragma GCC unroll 16
        for (int r = 0; r < kR; ++r) __builtin_prefetch(w[r] + ahead);
      } else if (i % (kLine * turn.count) == 0) {
        const int ahead = (turn.index * k + i) / turn.count + kR * k;
#pragma GCC unroll 16
        for (int r = 0; r < kR; ++r) __builtin_prefetch(w[r] + ahead, 0, 2);
      }
    }
    V a[kR];
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) a[r] = F::template load16<S>(w[r] + i);
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
    V column[kR];
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) column[r] = acc[r][t];
    store_tree_sums<kR>(column, out[t]);
  }
}

// kR rows against all tokens, in nearly equal tiles.
template <class F, int kR>
KEDGE_INLINE void float_rows(const typename F::Block* const* w, const ActRows& x, float* y, size_t ldy) {
  FloatTurn turn{0, (x.n + kFloatTokens - 1) / kFloatTokens};
  equal_tiles<1, kFloatTokens>(
      x.n, [&](auto tokens, int first) __attribute__((always_inline)) {
        constexpr int kT = decltype(tokens)::value;
        const float* in[kT];
        float* out[kT];
        for (int t = 0; t < kT; ++t) {
          in[t] = x.x + static_cast<size_t>(first + t) * static_cast<size_t>(x.k);
          out[t] = y + static_cast<size_t>(first + t) * ldy;
        }
        float_tile<F, kR, kT>(w, in, x.k, turn, out);
        ++turn.index;
      });
}

// Activations of more bytes do not stay in the second-level cache while rows are read.
inline constexpr size_t kFloatResident = size_t{512} << 10;

// Many tokens: a block of tokens stays in the second-level cache for all rows, and a chunk of k of the weights, widened
// to float32, in the first for the block's tokens; the accumulators of the block wait in memory between chunks.
inline constexpr int kFloatChunk = 512;
inline constexpr int kFloatBlock = 8 * kFloatTokens;

template <int kT>
KEDGE_INLINE void float_chunk(const float* w, const float* const* x, int len, V* saved, bool first) {
  V acc[kFloatRows][kT];
#pragma GCC unroll 16
  for (int r = 0; r < kFloatRows; ++r) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) acc[r][t] = first ? V::zero() : saved[t * kFloatRows + r];
  }
  for (int i = 0; i < len; i += 16) {
    V a[kFloatRows];
#pragma GCC unroll 16
    for (int r = 0; r < kFloatRows; ++r) a[r] = V::load(w + r * kFloatChunk + i);
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const V b = V::load(x[t] + i);
#pragma GCC unroll 16
      for (int r = 0; r < kFloatRows; ++r) acc[r][t] = fma(a[r], b, acc[r][t]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kFloatRows; ++r) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) saved[t * kFloatRows + r] = acc[r][t];
  }
}

// Row tiles that take turns on a tile of tokens while that is in the first-level cache.
inline constexpr int kFloatTiles = 2;

// kTiles * kFloatRows rows against tokens [t0, t1) of a block. k is a multiple of 16.
template <class F, int kTiles>
KEDGE_INLINE void float_block(const typename F::Block* const* rows, const ActRows& x, int t0, int t1, float* y,
                              size_t ldy, float* wide, V* saved) {
  for (int k0 = 0; k0 < x.k; k0 += kFloatChunk) {
    const int len = x.k - k0 < kFloatChunk ? x.k - k0 : kFloatChunk;
    for (int r = 0; r < kTiles * kFloatRows; ++r) {
      for (int i = 0; i < len; i += 16) F::template load16<S>(rows[r] + k0 + i).store(wide + r * kFloatChunk + i);
    }
    equal_tiles<least_tile(kFloatTokens + 1, kFloatTokens), kFloatTokens>(
        t1 - t0, [&](auto tokens, int first) __attribute__((always_inline)) {
          constexpr int kT = decltype(tokens)::value;
          const float* in[kT];
          for (int j = 0; j < kT; ++j) {
            in[j] = x.x + static_cast<size_t>(t0 + first + j) * static_cast<size_t>(x.k) + k0;
          }
          for (int tile = 0; tile < kTiles; ++tile) {
            float_chunk<kT>(wide + tile * kFloatRows * kFloatChunk, in, len,
                            saved + (tile * kFloatBlock + first) * kFloatRows, k0 == 0);
          }
        });
  }
  for (int tile = 0; tile < kTiles; ++tile) {
    for (int t = t0; t < t1; ++t) {
      store_tree_sums<kFloatRows>(saved + (tile * kFloatBlock + t - t0) * kFloatRows,
                                  y + static_cast<size_t>(t) * ldy + tile * kFloatRows);
    }
  }
}

template <class F>
static void matmul_float(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  auto row = [&](int r) {
    return reinterpret_cast<const typename F::Block*>(w.data + static_cast<size_t>(r) * w.stride);
  };
  int done = 0;
  if (4 * static_cast<size_t>(x.n) * static_cast<size_t>(x.k) > kFloatResident && x.n > kFloatTokens && x.k % 16 == 0) {
    done = w.n_rows / kFloatRows * kFloatRows;
    auto* wide = reinterpret_cast<float*>(scratch);
    auto* saved = reinterpret_cast<V*>(wide + kFloatTiles * kFloatRows * kFloatChunk);
    int left = (x.n + kFloatBlock - 1) / kFloatBlock;
    for (int t = 0, end = 0; t < x.n; t = end, --left) {
      end = t + (x.n - t + left - 1) / left;
      for (int r = 0; r < done;) {
        const typename F::Block* rows[kFloatTiles * kFloatRows];
        const bool full = done - r >= kFloatTiles * kFloatRows;
        const int n = full ? kFloatTiles * kFloatRows : kFloatRows;
        for (int j = 0; j < n; ++j) rows[j] = row(r + j);
        full ? float_block<F, kFloatTiles>(rows, x, t, end, y + r, ldy, wide, saved)
             : float_block<F, 1>(rows, x, t, end, y + r, ldy, wide, saved);
        r += n;
      }
    }
  }
  for (int r = done; r < w.n_rows;) {
    // One token: fewer rows are fewer streams of memory.
    const int left = w.n_rows - r;
    const int n = x.n == 1 && left >= 2 ? 2 : left < kFloatRows ? 1 : kFloatRows;
    const typename F::Block* rows[kFloatRows];
    for (int j = 0; j < n; ++j) rows[j] = row(r + j);
    if (n == 1) {
      float_rows<F, 1>(rows, x, y + r, ldy);
    } else if (n == 2) {
      float_rows<F, 2>(rows, x, y + r, ldy);
    } else {
      float_rows<F, kFloatRows>(rows, x, y + r, ldy);
    }
    r += n;
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
