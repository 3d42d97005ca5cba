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
      __m512i codes = quad_of_planes<F, q>(blocks + static_cast<size_t>(b) * P::kBytes);
      if constexpr (F::kZero != 0) codes = _mm512_sub_epi8(codes, zero);
      _mm512_store_si512(out + (b * 8 + q) * 64, codes);
    });
  }
}

// Up to eight blocks of 32 of one group of rows against one token tile.
struct Block32Item {
  const std::byte* packed = nullptr;  // the blocks' scales
  const int8_t* weights = nullptr;    // their codes, 512 bytes each
  TokenTile tokens = {};
  const float* d = nullptr;  // activation scale of the first token and block
  const int16_t* act_sums = nullptr;
  float* acc = nullptr;     // [16 tokens][16 rows]
  int32_t* sums = nullptr;  // [block][16][16]
  int n_blocks = 0;
};

// One block's sums to floats, scaled into the accumulators.
template <class F>
KEDGE_INLINE void finish_block32(const Block32Item& item, int b, size_t blocks, __m512 (&acc)[16]) {
  using P = PackedBlock<F>;
  const std::byte* block = item.packed + static_cast<size_t>(b) * P::kBytes;
  const __m512 dw = load_scales<F>(block + P::kScales);
  [[maybe_unused]] __m512 mw = _mm512_setzero_ps();
  if constexpr (F::kHasMin) mw = S::load_f16(block + P::kMins);
  const float* d = item.d + b;
  const int16_t* act_sums = item.act_sums + b;
  // Rows that are none read the scales of the last one.
  const size_t last = static_cast<size_t>(item.tokens.n - 1) * blocks;
#pragma GCC unroll 16
  for (size_t i = 0; i < 16; ++i) {
    const size_t row = i * blocks < last ? i * blocks : last;
    const __m512 dx = broadcast(d + row);
    const __m512i isum = _mm512_load_si512(item.sums + b * 256 + i * 16);
    acc[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum), _mm512_mul_ps(dw, dx), acc[i]);
    if constexpr (F::kHasMin) {
      const __m512 total = _mm512_set1_ps(static_cast<float>(act_sums[row]));
      acc[i] = _mm512_fmadd_ps(total, _mm512_mul_ps(mw, dx), acc[i]);
    }
  }
}

// The tile products of block b; blocks use different tiles in turn.
KEDGE_INLINE void start_block32(const Block32Item& item, int b, size_t k) {
  if (b % 2 == 0) {
    _tile_zero(0);
    _tile_loadd(4, item.tokens.q + b * 32, k);
    _tile_loadd(6, item.weights + b * 512, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_stored(0, item.sums + b * 256, 64);
  } else {
    _tile_zero(1);
    _tile_loadd(5, item.tokens.q + b * 32, k);
    _tile_loadd(7, item.weights + b * 512, 64);
    _tile_dpbssd(1, 5, 7);
    _tile_stored(1, item.sums + b * 256, 64);
  }
}

// Multiplies `next` while the sums of `pending` (whose n_blocks is 0 when there is none) are scaled.
template <class F>
KEDGE_INLINE void block32_items(const Block32Item& next, const Block32Item& pending, size_t k, size_t blocks) {
  __m512 acc[16];
  if (pending.n_blocks > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) acc[i] = _mm512_load_ps(pending.acc + i * 16);
  }
  for (int b = 0; b < 8; ++b) {
    if (b < next.n_blocks) start_block32(next, b, k);
    if (b < pending.n_blocks) finish_block32<F>(pending, b, blocks, acc);
  }
  if (pending.n_blocks > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_store_ps(pending.acc + i * 16, acc[i]);
  }
}

template <class F, int kGroups>
KEDGE_INLINE void block32_pass(const std::byte* const* group, const ActRows& x, const TokenTiles& tiles,
                               const AmxScratch& m) {
  using P = PackedBlock<F>;
  const int blocks = x.k / 32;
  for (int b = 0; b < blocks; b += 8) {
    const int n = blocks - b < 8 ? blocks - b : 8;
    const size_t at = static_cast<size_t>(b) * P::kBytes;
    for (int g = 0; g < kGroups; ++g) unpack_signed<F>(group[g] + at, n, m.weights + g * 4096);
    memory_barrier();
    Block32Item pending;
    int turn = 0;
    for (int t = 0; t < tiles.count(); ++t) {
      for (int g = 0; g < kGroups; ++g, turn ^= 1) {
        Block32Item next;
        next.tokens = tiles.at(t);
        const auto first = static_cast<size_t>(next.tokens.first);
        const size_t row = first * static_cast<size_t>(blocks) + static_cast<size_t>(b);
        next.tokens.q += b * 32;
        next.packed = group[g] + at;
        next.weights = m.weights + g * 4096;
        next.d = x.d + row;
        next.act_sums = x.sums32 + row;
        next.acc = m.acc + (static_cast<size_t>(g) * kPassTokens + first) * 16;
        next.sums = m.sums + turn * 2048;
        next.n_blocks = n;
        block32_items<F>(next, pending, tiles.pitch, static_cast<size_t>(blocks));
        pending = next;
      }
    }
    block32_items<F>(Block32Item{}, pending, tiles.pitch, static_cast<size_t>(blocks));
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
