// Matmul with F32, F16 and BF16 weights: sixteen lanes over k for every output, reduced by the fixed tree. Tiles go
// over rows and tokens only. Included by simd/table.cc only.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/matmul_shape.h"

namespace kedge::kernels::KEDGE_ISA {

// Register tile (matmul_shape.h): kFloatRows x kFloatTokens accumulators of 16 lanes.
inline constexpr int kFloatRows = kShapes.float_rows;
inline constexpr int kFloatTokens = kShapes.float_tokens;

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

// ---- few tokens: rows as they lie in the file, read once

// kR rows of k values, `stride` bytes apart, against kT tokens. Rows that follow each other are one stream of memory to
// whoever fetches it: while these are multiplied the next kR are read ahead, line after line.
template <class F, int kR, int kT>
KEDGE_INLINE void float_tile(const std::byte* rows, size_t stride, const float* const* x, int k, float* const* out) {
  using Block = typename F::Block;
  const Block* w[kR];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) w[r] = reinterpret_cast<const Block*>(rows + static_cast<size_t>(r) * stride);
  const auto* ahead = reinterpret_cast<const char*>(rows) + kR * stride;
  V acc[kR][kT];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) acc[r][t] = V::zero();
  }
  const auto step = [&](int i) __attribute__((always_inline)) {
    V a[kR];
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) a[r] = F::template load16<S>(w[r] + i);
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const V b = V::load(x[t] + i);
#pragma GCC unroll 16
      for (int r = 0; r < kR; ++r) acc[r][t] = fma(a[r], b, acc[r][t]);
    }
  };
  int i = 0;
  constexpr int kLines = kR * 32 * static_cast<int>(sizeof(Block)) / 64;
  for (; i + 32 <= k; i += 32, ahead += kLines * 64) {
#pragma GCC unroll 16
    for (int line = 0; line < kLines; ++line) __builtin_prefetch(ahead + line * 64, 0, 3);
    step(i);
    step(i + 16);
  }
  if (i + 16 <= k) {
    step(i);
    i += 16;
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
KEDGE_INLINE void float_rows(const std::byte* rows, size_t stride, const ActRows& x, float* y, size_t ldy) {
  equal_tiles<1, kFloatTokens>(
      x.n, [&](auto tokens, int first) __attribute__((always_inline)) {
        constexpr int kT = decltype(tokens)::value;
        const float* in[kT];
        float* out[kT];
        for (int t = 0; t < kT; ++t) {
          in[t] = x.x + static_cast<size_t>(first + t) * static_cast<size_t>(x.k);
          out[t] = y + static_cast<size_t>(first + t) * ldy;
        }
        float_tile<F, kR, kT>(rows, stride, in, x.k, out);
      });
}

// ---- many tokens, k a multiple of 16: a block of tokens, packed in the order tiles read it, stays in the second-level
// cache for all rows, and a chunk of k of a few rows, widened to float32, in the first for the block's tokens. The
// accumulators wait in memory between chunks.

inline constexpr int kFloatChunk = 512;
// Row tiles that take turns on a tile of tokens while that is in the first-level cache.
inline constexpr int kFloatTiles = 2;
inline constexpr int kFloatBlockRows = kFloatTiles * kFloatRows;
inline constexpr int kFloatBlock = 16 * kFloatTokens;  // most tokens of a block
inline constexpr int kFloatBlockValues = 112 << 10;    // most activations of a block, if it has more than two tiles

// Memory of one call: at most 512 KB and eight rows of k floats (matmul_scratch_bytes()).
struct FloatScratch {
  float* x;     // per tile of kT tokens [k / 16][kT][16]
  float* wide;  // per tile of rows [chunk / 16][kFloatRows][16]
  V* saved;     // per tile of rows and of tokens [kT][kFloatRows]
};

// Reads the rows after these ahead, evenly over the steps of their tiles.
struct FloatAhead {
  const char* next;
  int lines;  // of a step
  int left;   // lines

  KEDGE_INLINE void fetch() {
    if (left <= 0) return;
    left -= lines;
    for (int i = 0; i < lines; ++i, next += 64) __builtin_prefetch(next, 0, 2);
  }
};

template <int kT>
KEDGE_INLINE void float_chunk(const float* w, const float* x, int len, bool first, FloatAhead& ahead,
                              V (&acc)[kFloatRows][kT], const V* saved) {
#pragma GCC unroll 16
  for (int r = 0; r < kFloatRows; ++r) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) acc[r][t] = first ? V::zero() : saved[t * kFloatRows + r];
  }
  for (int i = 0; i < len; i += 16, w += kFloatRows * 16, x += kT * 16) {
    ahead.fetch();
    V a[kFloatRows];
#pragma GCC unroll 16
    for (int r = 0; r < kFloatRows; ++r) a[r] = V::load(w + r * 16);
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const V b = V::load(x + t * 16);
#pragma GCC unroll 16
      for (int r = 0; r < kFloatRows; ++r) acc[r][t] = fma(a[r], b, acc[r][t]);
    }
  }
}

template <class Tile>
KEDGE_INLINE void float_token_tiles(int n, Tile&& tile) {
  equal_tiles<least_tile(kFloatTokens + 1, kFloatTokens), kFloatTokens>(n, tile);
}

KEDGE_INLINE void pack_tokens(const float* x, int n, int k, float* out) {
  float_token_tiles(
      n, [&](auto tokens, int first) __attribute__((always_inline)) {
        constexpr int kT = decltype(tokens)::value;
        const float* in = x + static_cast<size_t>(first) * static_cast<size_t>(k);
        float* to = out + static_cast<size_t>(first) * static_cast<size_t>(k);
        for (int i = 0; i < k; i += 16, to += kT * 16) {
#pragma GCC unroll 16
          for (int t = 0; t < kT; ++t)
            V::load(in + static_cast<size_t>(t) * static_cast<size_t>(k) + i).store(to + t * 16);
        }
      });
}

// n_tiles * kFloatRows rows against the n packed tokens of a block.
template <class F>
KEDGE_INLINE void float_block(const std::byte* rows, size_t stride, int n_tiles, int n, int k, const FloatScratch& m,
                              float* y, size_t ldy) {
  const int steps = (n + kFloatTokens - 1) / kFloatTokens * n_tiles * (k / 16);
  const int lines = n_tiles * kFloatRows * k / (64 / static_cast<int>(sizeof(typename F::Block)));
  FloatAhead ahead{reinterpret_cast<const char*>(rows) + static_cast<size_t>(n_tiles * kFloatRows) * stride,
                   (lines + steps - 1) / steps, lines};
  for (int k0 = 0; k0 < k; k0 += kFloatChunk) {
    const int len = k - k0 < kFloatChunk ? k - k0 : kFloatChunk;
    const bool last = k0 + len == k;
    for (int r = 0; r < n_tiles * kFloatRows; ++r) {
      const auto* row = reinterpret_cast<const typename F::Block*>(rows + static_cast<size_t>(r) * stride) + k0;
      float* to = m.wide + r / kFloatRows * kFloatRows * kFloatChunk + r % kFloatRows * 16;
      for (int i = 0; i < len; i += 16) F::template load16<S>(row + i).store(to + i * kFloatRows);
    }
    float_token_tiles(
        n, [&](auto tokens, int first) __attribute__((always_inline)) {
          constexpr int kT = decltype(tokens)::value;
          const float* x = m.x + static_cast<size_t>(first) * static_cast<size_t>(k) + k0 * kT;
          for (int tile = 0; tile < n_tiles; ++tile) {
            V acc[kFloatRows][kT];
            V* saved = m.saved + (tile * kFloatBlock + first) * kFloatRows;
            float_chunk<kT>(m.wide + tile * kFloatRows * kFloatChunk, x, len, k0 == 0, ahead, acc, saved);
#pragma GCC unroll 16
            for (int t = 0; t < kT; ++t) {
              V column[kFloatRows];
#pragma GCC unroll 16
              for (int r = 0; r < kFloatRows; ++r) column[r] = acc[r][t];
              if (last) {
                store_tree_sums<kFloatRows>(column, y + static_cast<size_t>(first + t) * ldy + tile * kFloatRows);
              } else {
#pragma GCC unroll 16
                for (int r = 0; r < kFloatRows; ++r) saved[t * kFloatRows + r] = column[r];
              }
            }
          }
        });
  }
}

// The rows that fill tiles; their number is returned.
template <class F>
KEDGE_INLINE int float_blocks(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) {
  const int done = w.n_rows / kFloatRows * kFloatRows;
  int most = kFloatBlockValues / x.k / kFloatTokens * kFloatTokens;
  most = most < 2 * kFloatTokens ? 2 * kFloatTokens : most > kFloatBlock ? kFloatBlock : most;
  FloatScratch m;
  m.wide = reinterpret_cast<float*>(scratch);
  m.saved = reinterpret_cast<V*>(m.wide + kFloatBlockRows * kFloatChunk);
  m.x = reinterpret_cast<float*>(m.saved + kFloatBlockRows * kFloatBlock);
  int left = (x.n + most - 1) / most;
  for (int t = 0; t < x.n; --left) {
    const int n = (x.n - t + left - 1) / left;
    pack_tokens(x.x + static_cast<size_t>(t) * static_cast<size_t>(x.k), n, x.k, m.x);
    for (int r = 0; r < done; r += kFloatBlockRows) {
      const int tiles = done - r < kFloatBlockRows ? (done - r) / kFloatRows : kFloatTiles;
      float_block<F>(w.data + static_cast<size_t>(r) * w.stride, w.stride, tiles, n, x.k, m,
                     y + static_cast<size_t>(t) * ldy + r, ldy);
    }
    t += n;
  }
  return done;
}

// So many activations are read again for every few rows faster than blocks of tokens are packed.
inline constexpr int kFloatUnpacked = 24 << 10;

template <class F>
static void matmul_float(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  int r = 0;
  const bool few = x.n <= kFloatTokens || static_cast<int64_t>(x.n) * x.k <= kFloatUnpacked;
  if (!few && x.k % 16 == 0) r = float_blocks<F>(w, x, y, ldy, scratch);
  for (; r + kFloatRows <= w.n_rows; r += kFloatRows) {
    float_rows<F, kFloatRows>(w.data + static_cast<size_t>(r) * w.stride, w.stride, x, y + r, ldy);
  }
  for (; r < w.n_rows; ++r) float_rows<F, 1>(w.data + static_cast<size_t>(r) * w.stride, w.stride, x, y + r, ldy);
}

}  // namespace kedge::kernels::KEDGE_ISA
