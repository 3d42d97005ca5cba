// Products of `--numerics fast` (kernels/fast_numerics.h) with AMX-int8: packed weights are rounded to bytes with one
// scale per 256 values as they are read, and tiles run at full depth. Any number of tokens takes this path, so a
// token's numbers do not depend on how many there are. Included by simd/table_amx.cc only.
#pragma once

#include "kernels/fast_numerics.h"
#include "kernels/simd/amx_passes.h"
#include "kernels/simd/packed_codes.h"

namespace kedge::kernels::KEDGE_ISA {

// 256 values of sixteen rows: bytes to `out` ([64 quads][64]), the scales returned.
template <class F>
KEDGE_INLINE __m512 requantise(const std::byte* block, int8_t* out) {
  using P = PackedBlock<F>;
  using N = FastNumerics<F>;
  __m512 scale[N::kSubs];
  __m512 offset[N::kSubs];
  if constexpr (P::kSuper) {
    const __m512 d = load_scales<F>(block + P::kScales);
    [[maybe_unused]] __m512 dmin = _mm512_setzero_ps();
    if constexpr (F::kHasMin) dmin = S::load_f16(block + P::kMins);
#pragma GCC unroll 4
    for (int four = 0; four < P::kSubs / 4; ++four) {
      const SubPairs<F> subs = load_subs<F>(block, four);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const __m512i pair = subs.scale[j / 2];
        const __m512i sc = _mm512_srai_epi32(j % 2 == 0 ? _mm512_slli_epi32(pair, 16) : pair, 16);
        scale[four * 4 + j] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(sc));
        offset[four * 4 + j] = _mm512_setzero_ps();
        if constexpr (F::kHasMin) {
          const __m512i mins = subs.minimum[j / 2];
          const __m512i mn = _mm512_srai_epi32(j % 2 == 0 ? _mm512_slli_epi32(mins, 16) : mins, 16);
          offset[four * 4 + j] = _mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(mn)));
        }
      }
    }
  } else {
#pragma GCC unroll 16
    for (int j = 0; j < N::kSubs; ++j) {
      const std::byte* b = block + j / P::kScaleCount * P::kBytes;
      scale[j] = load_scales<F>(b + P::kScales + j % P::kScaleCount * 2 * kGroupRows);
      offset[j] = _mm512_setzero_ps();
      if constexpr (F::kHasMin) offset[j] = S::load_f16(b + P::kMins);
    }
  }
  __m512 bound = _mm512_setzero_ps();
#pragma GCC unroll 16
  for (int j = 0; j < N::kSubs; ++j) {
    const __m512 low = _mm512_fmadd_ps(scale[j], _mm512_set1_ps(static_cast<float>(-F::kZero)), offset[j]);
    const __m512 high =
        _mm512_fmadd_ps(scale[j], _mm512_set1_ps(static_cast<float>(F::kMaxCode - F::kZero)), offset[j]);
    bound = _mm512_max_ps(bound, _mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
  }
  const __mmask16 used = _mm512_cmp_ps_mask(bound, _mm512_set1_ps(kFastSmallest), _CMP_GE_OQ);
  const __m512 top = _mm512_set1_ps(N::kTop);
  const __m512 inverse = _mm512_maskz_div_ps(used, top, bound);
  alignas(64) __m512i factor[N::kSubs];
  alignas(64) __m512i shift[N::kSubs];
  auto both_halves = [](__m512i x) __attribute__((always_inline)) {
    return _mm512_mask_blend_epi16(0xaaaaaaaau, x, _mm512_slli_epi32(x, 16));
  };
#pragma GCC unroll 16
  for (int j = 0; j < N::kSubs; ++j) {
    const __m512 a =
        _mm512_mul_ps(_mm512_mul_ps(scale[j], inverse), _mm512_set1_ps(static_cast<float>(1 << (15 - N::kShift))));
    factor[j] = both_halves(_mm512_min_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(32767)));
    if (F::kHasMin) shift[j] = both_halves(_mm512_cvtps_epi32(_mm512_mul_ps(offset[j], inverse)));
  }
  const __m512i low_byte = _mm512_set1_epi16(0xff);
  const __m512i zero = _mm512_set1_epi16(F::kZero);
  constexpr int kQuads = 64 / N::kSubs;
  for (int group = 0; group < 8; ++group) {
    const std::byte* planes = P::kSuper ? block + group * P::kGroupBytes : block + group * P::kBytes;
    static_for<8>([&](auto quad) __attribute__((always_inline)) {
      constexpr int q = decltype(quad)::value;
      const int j = (group * 8 + q) / kQuads;
      const __m512i codes = quad_of_planes<F, q>(planes, block + P::kTableAt);
      __m512i e = _mm512_and_si512(codes, low_byte);
      __m512i o = _mm512_srli_epi16(codes, 8);
      if constexpr (F::kZero != 0) {
        e = _mm512_sub_epi16(e, zero);
        o = _mm512_sub_epi16(o, zero);
      }
      e = _mm512_mulhrs_epi16(_mm512_slli_epi16(e, N::kShift), factor[j]);
      o = _mm512_mulhrs_epi16(_mm512_slli_epi16(o, N::kShift), factor[j]);
      if constexpr (F::kHasMin) {
        e = _mm512_add_epi16(e, shift[j]);
        o = _mm512_add_epi16(o, shift[j]);
      }
      _mm512_store_si512(out + (group * 8 + q) * 64,
                         _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaaULL, e, _mm512_slli_epi16(o, 8)));
    });
  }
  return _mm512_maskz_div_ps(used, bound, top);
}

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
        scale[g] = requantise<F>(group[g] + b * (256 / P::kValues) * P::kBytes, m.weights + g * 4096);
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
