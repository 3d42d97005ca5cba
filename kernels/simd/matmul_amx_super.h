// Exact products of K-quants with AMX-int8. Sub-scales are integers: sub-scale * code is an integer of up to 14 bits,
// split here into two digits of base 128, so that two products over the whole super-block give the exact sum,
// hi * 128 + lo. Included by simd/table_amx.cc only.
#pragma once

#include "kernels/simd/amx_passes.h"
#include "kernels/simd/packed_codes.h"

namespace kedge::kernels::KEDGE_ISA {

// The digits of sub-scale * (code - zero), 14 bits at most, of one super-block of sixteen rows; formats whose products
// fit a byte have one digit.
template <class F>
struct Digits {
  static constexpr int kLargest = F::kZero > F::kMaxCode - F::kZero ? F::kZero : F::kMaxCode - F::kZero;
  static constexpr int largest_sub() {
    if constexpr (F::kHasMin) return F::kMaxSub;
    return 128;
  }
  static constexpr int kCount = kLargest * largest_sub() < 128 ? 1 : 2;
};

template <class F>
KEDGE_INLINE void unpack_digits(const std::byte* block, int8_t* lo) {
  using P = PackedBlock<F>;
  constexpr int kQuads = F::kSub / 4;
  int8_t* hi = lo + 4096;
  const __m512i first = _mm512_set1_epi32(0x01000100);
  const __m512i lanes = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
  const __m512i even = _mm512_or_si512(first, lanes);
  const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(0x02020202));
  const __m512i zero = _mm512_set1_epi16(F::kZero);
  const __m512i low_byte = _mm512_set1_epi16(0xff);
  const __m512i low_digits = _mm512_set1_epi8(0x7f);
  for (int four = 0; four < P::kSubs / 4; ++four) {
    const SubPairs<F> subs = load_subs<F>(block, four);
    static_for<4>([&](auto sub) __attribute__((always_inline)) {
      constexpr int j = decltype(sub)::value;
      const __m512i scale = _mm512_shuffle_epi8(subs.scale[j / 2], j % 2 == 0 ? even : odd);
      const int group = (four * 4 + j) * kQuads / 8;
      const std::byte* planes = block + group * P::kGroupBytes;
      constexpr int kFrom = j * kQuads % 8;
      static_for<kFrom + kQuads, kFrom>([&](auto quad) __attribute__((always_inline)) {
        constexpr int q = decltype(quad)::value;
        const __m512i codes = quad_of_planes<F, q>(planes);
        __m512i e = _mm512_and_si512(codes, low_byte);
        __m512i o = _mm512_srli_epi16(codes, 8);
        if constexpr (F::kZero != 0) {
          e = _mm512_sub_epi16(e, zero);
          o = _mm512_sub_epi16(o, zero);
        }
        e = _mm512_mullo_epi16(e, scale);
        o = _mm512_mullo_epi16(o, scale);
        const __mmask64 odd_bytes = 0xaaaaaaaaaaaaaaaaULL;
        const __m512i low = _mm512_mask_blend_epi8(odd_bytes, e, _mm512_slli_epi16(o, 8));
        const int at = (group * 8 + q) * 64;
        if constexpr (Digits<F>::kCount == 1) {
          _mm512_store_si512(lo + at, low);
        } else {
          _mm512_store_si512(lo + at, _mm512_and_si512(low, low_digits));
          _mm512_store_si512(hi + at,
                             _mm512_mask_blend_epi8(odd_bytes, _mm512_srai_epi16(e, 7), _mm512_slli_epi16(o, 1)));
        }
      });
    });
  }
}

// Scales and minimums of one super-block of sixteen rows, as the end of a block needs them.
template <class F>
struct SuperScales {
  __m512 d;
  __m512 dmin;
  __m512i minimum[8];  // pairs of neighbours
};
template <class F>
KEDGE_INLINE SuperScales<F> super_scales(const std::byte* block) {
  using P = PackedBlock<F>;
  SuperScales<F> s;
  s.d = load_scales<F>(block + P::kScales);
  if constexpr (F::kHasMin) {
    s.dmin = S::load_f16(block + P::kMins);
#pragma GCC unroll 4
    for (int four = 0; four < P::kSubs / 4; ++four) {
      const SubPairs<F> subs = load_subs<F>(block, four);
      s.minimum[2 * four] = subs.minimum[0];
      s.minimum[2 * four + 1] = subs.minimum[1];
    }
  }
  return s;
}

// The tiles of one group of rows against one or two token tiles, stored and waiting for their end of block.
struct Pending {
  const int32_t* sums = nullptr;  // [token tile][digit][16][16]
  float* acc = nullptr;           // [token][16] of the tiles' first token
  const float* d = nullptr;       // scale of the first token, stride tokens_d
  const int16_t* act_sums = nullptr;
  int n = 0;  // tokens
};

// One row (token) of what is pending: sums to floats, scaled into the accumulators.
template <class F>
KEDGE_INLINE void finish_super_row(const int32_t* sums, float* to, const float* d, const int16_t* act,
                                   const SuperScales<F>& s) {
  __m512i isum = _mm512_load_si512(sums);
  if constexpr (Digits<F>::kCount == 2) {
    isum = _mm512_add_epi32(isum, _mm512_slli_epi32(_mm512_load_si512(sums + 256), 7));
  }
  const __m512 dx = broadcast(d);
  __m512 acc = _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum), _mm512_mul_ps(s.d, dx), _mm512_load_ps(to));
  if constexpr (F::kHasMin) {
    __m512i msum = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int j = 0; j < PackedBlock<F>::kSubs / 2; ++j) {
      msum = _mm512_dpwssd_epi32(msum, s.minimum[j], broadcast_pair(act + 2 * j));
    }
    acc = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(msum), _mm512_mul_ps(s.dmin, dx), acc);
  }
  _mm512_store_ps(to, acc);
}

// Eight rows.
template <class F>
KEDGE_INLINE void finish_super(const Pending& p, const SuperScales<F>& s, size_t blocks, int begin) {
  constexpr int kDigits = Digits<F>::kCount;
  const int32_t* sums = p.sums + (begin / 16 * kDigits * 256 + begin % 16 * 16);
  float* to = p.acc + begin * 16;
  const auto first = static_cast<size_t>(begin);
  const float* d = p.d + first * blocks;
  const size_t act_stride = blocks * PackedBlock<F>::kSubs;
  const int16_t* act = p.act_sums + first * act_stride;
  if (p.n - begin >= 8) {
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i)
      finish_super_row<F>(sums + i * 16, to + i * 16, d + i * blocks, act + i * act_stride, s);
  } else {
    for (size_t i = 0; static_cast<int>(i) < p.n - begin; ++i) {
      finish_super_row<F>(sums + i * 16, to + i * 16, d + i * blocks, act + i * act_stride, s);
    }
  }
}

// Starts the products of one group with two token tiles (kTwo) or one, finishing what is pending in between, so that
// the vector units work while the tile unit does.
template <class F, bool kTwo>
KEDGE_INLINE void super_tiles(const int8_t* lo, const int8_t* a0, const int8_t* a1, size_t k, int32_t* sums,
                              const Pending& pending, const SuperScales<F>& scales, size_t blocks) {
  constexpr bool kDouble = Digits<F>::kCount == 2;
  const int8_t* hi = lo + 4096;
  _tile_zero(0);
  if (kDouble) _tile_zero(1);
  if (kTwo) _tile_zero(2);
  if (kTwo && kDouble) _tile_zero(3);
  for (int s = 0; s < 4; ++s) {
    _tile_loadd(4, a0 + s * 64, k);
    _tile_loadd(6, lo + s * 1024, 64);
    _tile_dpbssd(0, 4, 6);
    if (kDouble) {
      _tile_loadd(7, hi + s * 1024, 64);
      _tile_dpbssd(1, 4, 7);
    }
    if (kTwo) {
      _tile_loadd(5, a1 + s * 64, k);
      _tile_dpbssd(2, 5, 6);
      if (kDouble) _tile_dpbssd(3, 5, 7);
    }
    finish_super<F>(pending, scales, blocks, s * 8);
  }
  constexpr int kDigits = kDouble ? 2 : 1;
  _tile_stored(0, sums, 64);
  if (kDouble) _tile_stored(1, sums + 256, 64);
  if (kTwo) _tile_stored(2, sums + kDigits * 256, 64);
  if (kTwo && kDouble) _tile_stored(3, sums + 3 * 256, 64);
}

// kGroups groups of rows against all tokens of a pass, one super-block after the other.
template <class F, int kGroups>
KEDGE_INLINE void super_pass(const std::byte* const* group, const ActRows& x, const TokenTiles& tiles,
                             const AmxScratch& m) {
  using P = PackedBlock<F>;
  const auto blocks = static_cast<size_t>(x.k / 256);
  const int16_t* act_sums = F::kSub == 16 ? x.sums16 : x.sums32;
  const int n_tiles = tiles.count();
  for (size_t b = 0; b < blocks; ++b) {
    SuperScales<F> scales[kGroups];
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      unpack_digits<F>(group[g] + b * P::kBytes, m.weights + g * 8192);
      scales[g] = super_scales<F>(group[g] + b * P::kBytes);
    }
    memory_barrier();
    Pending pending;
    int turn = 0;
    for (int t = 0; t < n_tiles; t += 2) {
      const TokenTile first = tiles.at(t);
      const bool two = t + 1 < n_tiles;
      const TokenTile second = two ? tiles.at(t + 1) : first;
#pragma GCC unroll 4
      for (int g = 0; g < kGroups; ++g, turn ^= 1) {
        int32_t* sums = m.sums + turn * 1024;
        const SuperScales<F>& before = scales[(g + kGroups - 1) % kGroups];
        const int8_t* weights = m.weights + g * 8192;
        if (two) {
          super_tiles<F, true>(weights, first.q + b * 256, second.q + b * 256, tiles.pitch, sums, pending, before,
                               blocks);
        } else {
          super_tiles<F, false>(weights, first.q + b * 256, nullptr, tiles.pitch, sums, pending, before, blocks);
        }
        pending.sums = sums;
        pending.acc = m.acc + (static_cast<size_t>(g) * kPassTokens + static_cast<size_t>(first.first)) * 16;
        pending.d = x.d + static_cast<size_t>(first.first) * blocks + b;
        pending.act_sums = act_sums + (static_cast<size_t>(first.first) * blocks + b) * P::kSubs;
        pending.n = first.n + (two ? second.n : 0);
      }
    }
    for (int begin = 0; begin < 32; begin += 8) finish_super<F>(pending, scales[kGroups - 1], blocks, begin);
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
