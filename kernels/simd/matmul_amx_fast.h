// Products of `--numerics fast` (kernels/fast_numerics.h) with AMX-int8: packed weights are rounded to bytes with one
// scale per 256 values as they are read, and tiles run at full depth. Any number of tokens takes this path, so a
// token's numbers do not depend on how many there are. Included by simd/table_amx.cc only.
#pragma once

#include "kernels/simd/amx_passes.h"
#include "kernels/simd/requantise.h"

namespace kedge::kernels::KEDGE_ISA {

// Two token tiles against up to two groups of rows, stored and waiting to be scaled.
struct FastPending {
  const int32_t* sums = nullptr;  // [group][token tile][16][16]
  float* acc = nullptr;           // [group][kPassTokens][16], at the tiles' first token
  const float* d = nullptr;
  int n = 0;
};

template <int kGroups>
KEDGE_INLINE void finish_fast(const FastPending& p, const __m512* scale, size_t blocks, int begin) {
  const int end = begin + 8 < p.n ? begin + 8 : p.n;
  for (int i = begin; i < end; ++i) {
    const __m512 dx = broadcast(p.d + static_cast<size_t>(i) * blocks);
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
      float* to = p.acc + (g * kPassTokens + i) * 16;
      const __m512 isum = _mm512_cvtepi32_ps(_mm512_load_si512(p.sums + g * 512 + i * 16));
      _mm512_store_ps(to, _mm512_fmadd_ps(isum, _mm512_mul_ps(scale[g], dx), _mm512_load_ps(to)));
    }
  }
}

// Tiles 0 and 1: first group, tokens 0-15 and 16-31; 2 and 3: second group.
template <int kGroups, bool kTwo>
KEDGE_INLINE void fast_tiles(const int8_t* weights, const int8_t* a0, const int8_t* a1, size_t k, int32_t* sums,
                             const FastPending& pending, const __m512* scale, size_t blocks) {
  constexpr bool kPair = kGroups == 2;
  _tile_zero(0);
  if (kTwo) _tile_zero(1);
  if (kPair) _tile_zero(2);
  if (kPair && kTwo) _tile_zero(3);
  for (int s = 0; s < 4; ++s) {
    _tile_loadd(4, a0 + s * 64, k);
    _tile_loadd(6, weights + s * 1024, 64);
    _tile_dpbssd(0, 4, 6);
    if (kPair) {
      _tile_loadd(7, weights + 4096 + s * 1024, 64);
      _tile_dpbssd(2, 4, 7);
    }
    if (kTwo) {
      _tile_loadd(5, a1 + s * 64, k);
      _tile_dpbssd(1, 5, 6);
      if (kPair) _tile_dpbssd(3, 5, 7);
    }
    finish_fast<kGroups>(pending, scale, blocks, s * 8);
  }
  _tile_stored(0, sums, 64);
  if (kTwo) _tile_stored(1, sums + 256, 64);
  if (kPair) _tile_stored(2, sums + 512, 64);
  if (kPair && kTwo) _tile_stored(3, sums + 768, 64);
}

template <class F>
struct FastPass {
  using Tiles = TokenTiles;
  KEDGE_INLINE static Tiles start(const ActRows& x, const AmxScratch& m) {
    return Tiles::make(x.q, x.n, x.k, x.row_pitch(), m.tail);
  }
  template <int kGroups>
  KEDGE_INLINE static void run(const std::byte* const* group, size_t /*stride*/, const ActRows& x, const Tiles& tiles,
                               const AmxScratch& m) {
    using P = PackedBlock<F>;
    const auto blocks = static_cast<size_t>(x.k / 256);
    const int n_tiles = tiles.count();
    for (size_t b = 0; b < blocks; ++b) {
      __m512 scale[kGroups];
#pragma GCC unroll 2
      for (int g = 0; g < kGroups; ++g) {
        scale[g] = requantise<F, 0>(group[g] + b * (256 / P::kValues) * P::kBytes, m.weights + g * 4096);
      }
      memory_barrier();
      FastPending pending;
      int turn = 0;
      for (int t = 0; t < n_tiles; t += 2, turn ^= 1) {
        const TokenTile first = tiles.at(t);
        int32_t* sums = m.sums + turn * 1024;
        int n = first.n;
        if (t + 1 < n_tiles) {
          const TokenTile second = tiles.at(t + 1);
          n += second.n;
          fast_tiles<kGroups, true>(m.weights, first.q + b * 256, second.q + b * 256, tiles.pitch, sums, pending, scale,
                                    blocks);
        } else {
          fast_tiles<kGroups, false>(m.weights, first.q + b * 256, nullptr, tiles.pitch, sums, pending, scale, blocks);
        }
        pending = {sums, m.acc + first.first * 16, x.d + static_cast<size_t>(first.first) * blocks + b, n};
      }
      for (int begin = 0; begin < 32; begin += 8) finish_fast<kGroups>(pending, scale, blocks, begin);
    }
  }
};

template <class F>
static void matmul_fast(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  configure_tiles(64);
  matmul_passes<FastPass<F>>(w, x, 256, y, ldy, scratch);
  _tile_release();
}

}  // namespace kedge::kernels::KEDGE_ISA
