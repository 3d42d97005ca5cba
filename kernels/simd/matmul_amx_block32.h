// Exact products of formats with a float scale per 32 values with AMX-int8: such a scale allows 32 of the 64 values a
// tile instruction can add up, and asks for one scaling of every 16 x 16 sums. Included by simd/table_amx.cc only.
#pragma once

#include "kernels/simd/amx_passes.h"
#include "kernels/simd/packed_codes.h"

namespace kedge::kernels::KEDGE_ISA {

// Codes minus zero of up to eight blocks of 32 of sixteen rows.
template <class F>
KEDGE_INLINE void unpack_signed(const std::byte* blocks, int n, int8_t* out) {
  using P = PackedBlock<F>;
  const __m512i zero = _mm512_set1_epi8(static_cast<char>(F::kZero));
  for (int b = 0; b < n; ++b) {
    static_for<8>([&](auto quad) __attribute__((always_inline)) {
      constexpr int q = decltype(quad)::value;
      const std::byte* block = blocks + static_cast<size_t>(b) * P::kBytes;
      __m512i codes = quad_of_planes<F, q>(block, block + P::kTableAt);
      if constexpr (F::kZero != 0) codes = _mm512_sub_epi8(codes, zero);
      _mm512_store_si512(out + (b * 8 + q) * 64, codes);
    });
  }
}

// Up to eight blocks of 32 of one group of rows against one token tile.
struct Block32Item {
  const std::byte* packed = nullptr;  // the blocks' scales
  const int8_t* weights = nullptr;    // their codes, 512 bytes each
  const int8_t* q = nullptr;          // the tile's first token
  int again = 0;                      // tokens that the tile before has
  int n = 0;                          // the others
  const float* d = nullptr;           // activation scale of the first of them, first block
  const int16_t* act_sums = nullptr;
  float* acc = nullptr;     // [token][16 rows]
  int32_t* sums = nullptr;  // [block][16][16]
  int n_blocks = 0;
};

// kTokens tokens from `first` on: the sums of all blocks to floats, scaled into the accumulators.
template <class F, int kTokens>
KEDGE_INLINE void finish_tokens(const Block32Item& item, int first, size_t blocks) {
  using P = PackedBlock<F>;
  __m512 acc[kTokens];
  const float* d[kTokens];
#pragma GCC unroll 4
  for (int i = 0; i < kTokens; ++i) {
    acc[i] = _mm512_load_ps(item.acc + (first + i) * 16);
    d[i] = item.d + static_cast<size_t>(first + i) * blocks;
  }
  const int32_t* sums = item.sums + (item.again + first) * 16;
#pragma GCC unroll 8
  for (int b = 0; b < item.n_blocks; ++b) {
    const std::byte* block = item.packed + static_cast<size_t>(b) * P::kBytes;
    const __m512 dw = load_scales<F>(block + P::kScales);
    [[maybe_unused]] __m512 mw = _mm512_setzero_ps();
    if constexpr (F::kHasMin) mw = S::load_f16(block + P::kMins);
#pragma GCC unroll 4
    for (int i = 0; i < kTokens; ++i) {
      const __m512 dx = broadcast(d[i] + b);
      const __m512i isum = _mm512_load_si512(sums + b * 256 + i * 16);
      acc[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum), _mm512_mul_ps(dw, dx), acc[i]);
      if constexpr (F::kHasMin) {
        const int16_t total = item.act_sums[static_cast<size_t>(first + i) * blocks + static_cast<size_t>(b)];
        acc[i] = _mm512_fmadd_ps(_mm512_set1_ps(static_cast<float>(total)), _mm512_mul_ps(mw, dx), acc[i]);
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < kTokens; ++i) _mm512_store_ps(item.acc + (first + i) * 16, acc[i]);
}

// Quarter `quarter` of an item's tokens.
template <class F>
KEDGE_INLINE void finish_quarter(const Block32Item& item, int quarter, size_t blocks) {
  const int end = item.n * (quarter + 1) / 4;
  int i = item.n * quarter / 4;
  for (; i + 4 <= end; i += 4) finish_tokens<F, 4>(item, i, blocks);
  for (; i < end; ++i) finish_tokens<F, 1>(item, i, blocks);
}

// The tile products of block b; blocks use different tiles in turn.
KEDGE_INLINE void start_block32(const Block32Item& item, int b, size_t pitch) {
  if (b % 2 == 0) {
    _tile_zero(0);
    _tile_loadd(4, item.q + b * 32, pitch);
    _tile_loadd(6, item.weights + b * 512, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_stored(0, item.sums + b * 256, 64);
  } else {
    _tile_zero(1);
    _tile_loadd(5, item.q + b * 32, pitch);
    _tile_loadd(7, item.weights + b * 512, 64);
    _tile_dpbssd(1, 5, 7);
    _tile_stored(1, item.sums + b * 256, 64);
  }
}

// Multiplies `next` while the sums of `pending` are scaled; either may be none (n_blocks, n of 0).
template <class F>
KEDGE_INLINE void block32_items(const Block32Item& next, const Block32Item& pending, size_t pitch, size_t blocks) {
#pragma GCC unroll 8
  for (int b = 0; b < 8; ++b) {
    if (b < next.n_blocks) start_block32(next, b, pitch);
    if (b % 2 == 1) finish_quarter<F>(pending, b / 2, blocks);
  }
}

template <class F, int kGroups>
KEDGE_INLINE void block32_pass(const std::byte* const* group, size_t stride, const ActRows& x, const EqualTiles& tiles,
                               const AmxScratch& m) {
  using P = PackedBlock<F>;
  const int n_blocks = x.k / 32;
  const auto blocks = static_cast<size_t>(n_blocks);
  const int n_tiles = tiles.count();
  Block32Item pending;
  int turn = 0;
  int buffer = 0;
  for (int b = 0; b < n_blocks; b += 8) {
    const int n = n_blocks - b < 8 ? n_blocks - b : 8;
    for (int g = 0; g < kGroups; ++g, buffer ^= 1) {
      const std::byte* packed = group[g] + static_cast<size_t>(b) * P::kBytes;
      int8_t* weights = m.weights + buffer * 4096;
      unpack_signed<F>(packed, n, weights);
      memory_barrier();
      const std::byte* ahead = b + 8 < n_blocks ? packed + 8 * P::kBytes : group[g] + kGroups * stride;
      for (int t = 0; t < n_tiles; ++t, turn ^= 1) {
        const auto first = static_cast<size_t>(tiles.first(t) + tiles.again(t));
        const size_t row = first * blocks + static_cast<size_t>(b);
        fetch_share(ahead, 8 * P::kBytes, t, n_tiles);
        Block32Item next;
        next.q = tiles.at(t) + b * 32;
        next.again = tiles.again(t);
        next.n = tiles.size - next.again;
        next.packed = packed;
        next.weights = weights;
        next.d = x.d + row;
        next.act_sums = x.sums32 + row;
        next.acc = m.acc + (static_cast<size_t>(g) * kPassTokens + first) * 16;
        next.sums = m.sums + turn * 2048;
        next.n_blocks = n;
        block32_items<F>(next, pending, tiles.pitch, blocks);
        pending = next;
      }
    }
  }
  memory_barrier();
  block32_items<F>(Block32Item{}, pending, tiles.pitch, blocks);
}

}  // namespace kedge::kernels::KEDGE_ISA
