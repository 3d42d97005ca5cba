// Products of `--numerics fast` for float weights with AMX-bf16: weights and activations are rounded to bfloat16, tiles
// add in float32 in the processor's order (kernels/fast_numerics.h writes it down). Any number of tokens takes this
// path. Included by simd/table_amx.cc only.
#pragma once

#include "kernels/simd/amx_passes.h"
#include "kernels/simd/bf16_rows.h"

namespace kedge::kernels::KEDGE_ISA {

// Rows [first, first + 16) of a chunk of k as weight tiles of 32 values; rows beyond n_rows are zero.
template <class F>
KEDGE_INLINE void bf16_weights(const WeightRows& w, int first, int k0, int len, uint16_t* out) {
  for (int i = 0; i < len; i += 32) {
    __m512i r[16];
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) {
      r[j] = _mm512_setzero_si512();
      if (first + j < w.n_rows) {
        const auto* row =
            reinterpret_cast<const typename F::Block*>(w.data + static_cast<size_t>(first + j) * w.stride);
        r[j] = bf16_row<F>(row + k0 + i);
      }
    }
    store_transposed(r, out + i * 16);
  }
}

// Tiles 0 and 1: first group of rows, tokens 0-15 and 16-31; 2 and 3: second group.
template <bool kPair, bool kTwo>
KEDGE_INLINE void bf16_tiles(const uint16_t* weights, const uint16_t* a0, const uint16_t* a1, size_t k_bytes, int steps,
                             float* acc) {
  constexpr int kGroup = kPassTokens * 16;
  _tile_loadd(0, acc, 64);
  if (kTwo) _tile_loadd(1, acc + 256, 64);
  if (kPair) _tile_loadd(2, acc + kGroup, 64);
  if (kPair && kTwo) _tile_loadd(3, acc + kGroup + 256, 64);
  for (int s = 0; s < steps; ++s) {
    _tile_loadd(4, a0 + s * 32, k_bytes);
    _tile_loadd(6, weights + s * 512, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (kPair) {
      _tile_loadd(7, weights + 4096 + s * 512, 64);
      _tile_dpbf16ps(2, 4, 7);
    }
    if (kTwo) {
      _tile_loadd(5, a1 + s * 32, k_bytes);
      _tile_dpbf16ps(1, 5, 6);
      if (kPair) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, acc, 64);
  if (kTwo) _tile_stored(1, acc + 256, 64);
  if (kPair) _tile_stored(2, acc + kGroup, 64);
  if (kPair && kTwo) _tile_stored(3, acc + kGroup + 256, 64);
}

template <class F, bool kPair>
KEDGE_INLINE void bf16_group(const WeightRows& w, int row, const TokenTiles& tiles, int k, const AmxScratch& m) {
  constexpr int kChunk = 256;
  auto* weights = reinterpret_cast<uint16_t*>(m.weights);
  for (int g = 0; g < (kPair ? 2 : 1); ++g) {
    __builtin_memset(m.acc + g * kPassTokens * 16, 0, static_cast<size_t>(tiles.count()) * 16 * 64);
  }
  for (int k0 = 0; k0 < k; k0 += kChunk) {
    const int len = k - k0 < kChunk ? k - k0 : kChunk;
    for (int g = 0; g < (kPair ? 2 : 1); ++g) bf16_weights<F>(w, row + g * 16, k0, len, weights + g * 4096);
    memory_barrier();
    auto rows = [&](int t) { return reinterpret_cast<const uint16_t*>(tiles.at(t).q) + k0; };
    for (int t = 0; t < tiles.count(); t += 2) {
      float* acc = m.acc + tiles.at(t).first * 16;
      if (t + 1 < tiles.count()) {
        bf16_tiles<kPair, true>(weights, rows(t), rows(t + 1), tiles.pitch, len / 32, acc);
      } else {
        bf16_tiles<kPair, false>(weights, rows(t), nullptr, tiles.pitch, len / 32, acc);
      }
    }
  }
}

// k is a multiple of 32.
template <class F>
static void matmul_bf16(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  const AmxScratch m = AmxScratch::place(scratch);
  configure_tiles(64);
  for (int t0 = 0; t0 < x.n; t0 += kPassTokens) {
    const int n = x.n - t0 < kPassTokens ? x.n - t0 : kPassTokens;
    const auto first = static_cast<size_t>(t0);
    const auto* rows = reinterpret_cast<const int8_t*>(x.b16 + first * x.row_pitch());
    const TokenTiles tiles = TokenTiles::make(rows, n, 2 * x.k, 2 * x.row_pitch(), m.tail);
    for (int row = 0; row < w.n_rows; row += 32) {
      const bool pair = w.n_rows - row > 16;
      pair ? bf16_group<F, true>(w, row, tiles, x.k, m) : bf16_group<F, false>(w, row, tiles, x.k, m);
      store_sums(m, n, w.n_rows - row, pair ? 2 : 1, y + first * ldy + row, ldy);
    }
  }
  _tile_release();
}

static void to_bf16(const float* x, uint16_t* y, int n) noexcept {
  int i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256bh v = _mm512_cvtneps_pbh(_mm512_loadu_ps(x + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), reinterpret_cast<__m256i>(v));
  }
  for (; i < n; ++i) y[i] = f32_to_bf16_flushed(x[i]);
}

}  // namespace kedge::kernels::KEDGE_ISA
