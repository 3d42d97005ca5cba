// Packed weights rounded to signed bytes with one scale per row and 256 values (kernels/fast_numerics.h), for the
// products of `--numerics fast`. Included by simd/table.cc and simd/table_amx.cc only.
#pragma once

#include "kernels/fast_numerics.h"
#include "kernels/simd/packed_codes.h"

namespace kedge::kernels::KEDGE_ISA {

// How far ahead of the rounding the stream of weights is read.
inline constexpr int kRequantiseAhead = 4096;

// Scales and offsets of the sub-blocks of 256 values of sixteen rows.
template <class F>
struct SubScales {
  __m512 scale[FastNumerics<F>::kSubs];
  __m512 offset[FastNumerics<F>::kSubs];
};

template <class F>
KEDGE_INLINE SubScales<F> load_sub_scales(const std::byte* block) {
  using P = PackedBlock<F>;
  SubScales<F> r;
  if constexpr (P::kSuper) {
    const __m512 d = load_scales<F>(block + P::kScales);
    [[maybe_unused]] __m512 dmin = _mm512_setzero_ps();
    if constexpr (F::kHasMin) dmin = S::load_f16(block + P::kMins);
    auto to_float = [](__m512i pair, int half) __attribute__((always_inline)) {
      return _mm512_cvtepi32_ps(_mm512_srai_epi32(half == 0 ? _mm512_slli_epi32(pair, 16) : pair, 16));
    };
#pragma GCC unroll 4
    for (int four = 0; four < P::kSubs / 4; ++four) {
      const SubPairs<F> subs = load_subs<F>(block, four);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        r.scale[four * 4 + j] = _mm512_mul_ps(d, to_float(subs.scale[j / 2], j % 2));
        r.offset[four * 4 + j] = _mm512_setzero_ps();
        if constexpr (F::kHasMin) {
          const __m512 minimum = _mm512_mul_ps(dmin, to_float(subs.minimum[j / 2], j % 2));
          r.offset[four * 4 + j] = _mm512_sub_ps(_mm512_setzero_ps(), minimum);
        }
      }
    }
  } else {
#pragma GCC unroll 16
    for (int j = 0; j < FastNumerics<F>::kSubs; ++j) {
      const std::byte* b = block + j / P::kScaleCount * P::kBytes;
      r.scale[j] = load_scales<F>(b + P::kScales + j % P::kScaleCount * 2 * kGroupRows);
      r.offset[j] = _mm512_setzero_ps();
      if constexpr (F::kHasMin) r.offset[j] = S::load_f16(b + P::kMins);
    }
  }
  return r;
}

// 256 values of sixteen rows: bytes, plus kPlus, to `out` ([64 quads][64]), the scales returned.
template <class F, int kPlus>
KEDGE_INLINE __m512 requantise(const std::byte* block, int8_t* out) {
  using P = PackedBlock<F>;
  using N = FastNumerics<F>;
  const SubScales<F> subs = load_sub_scales<F>(block);
  __m512 bound = _mm512_setzero_ps();
#pragma GCC unroll 16
  for (int j = 0; j < N::kSubs; ++j) {
    const __m512 low = _mm512_fmadd_ps(subs.scale[j], _mm512_set1_ps(static_cast<float>(-F::kZero)), subs.offset[j]);
    const __m512 high =
        _mm512_fmadd_ps(subs.scale[j], _mm512_set1_ps(static_cast<float>(F::kMaxCode - F::kZero)), subs.offset[j]);
    bound = _mm512_max_ps(bound, _mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
  }
  const __mmask16 used = _mm512_cmp_ps_mask(bound, _mm512_set1_ps(kFastSmallest), _CMP_GE_OQ);
  const __m512 top = _mm512_set1_ps(N::kTop);
  const __m512 inverse = _mm512_maskz_div_ps(used, top, bound);
  alignas(64) __m512i factor[N::kSubs];  // in both halves of a lane
  alignas(64) __m512i plus[N::kSubs];    // in all four bytes
  const __m512i first_byte = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12));
#pragma GCC unroll 16
  for (int j = 0; j < N::kSubs; ++j) {
    __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_mul_ps(subs.scale[j], inverse),
                                                 _mm512_set1_ps(static_cast<float>(1 << (15 - N::kShift)))));
    a = _mm512_min_epi32(a, _mm512_set1_epi32(32767));
    factor[j] = _mm512_mask_blend_epi16(0xaaaaaaaau, a, _mm512_slli_epi32(a, 16));
    if constexpr (F::kHasMin) {
      const __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(subs.offset[j], inverse));
      plus[j] = _mm512_shuffle_epi8(_mm512_add_epi32(b, _mm512_set1_epi32(kPlus)), first_byte);
    }
  }
  // A pair of bytes times (2^shift, 0) or (0, 2^shift) is one of the two, shifted, in 16 bits.
  const __m512i even = _mm512_set1_epi16(1 << N::kShift);
  const __m512i odd = _mm512_set1_epi16(static_cast<int16_t>(1 << N::kShift << 8));
  const __m512i zero = _mm512_set1_epi8(static_cast<char>(F::kZero));
  constexpr int kQuads = 64 / N::kSubs;
  for (int group = 0; group < 8; ++group) {
    const std::byte* planes = P::kSuper ? block + group * P::kGroupBytes : block + group * P::kBytes;
    constexpr int kFetched = P::kSuper ? P::kBytes / 8 : P::kBytes;
#pragma GCC unroll 16
    for (int at = 0; at < kFetched; at += 64) {
      __builtin_prefetch(block + group * kFetched + kRequantiseAhead + at, 0, 3);
    }
    static_for<8>([&](auto quad) __attribute__((always_inline)) {
      constexpr int q = decltype(quad)::value;
      const int j = (group * 8 + q) / kQuads;
      const __m512i codes = _mm512_sub_epi8(quad_of_planes<F, q>(planes, block + P::kTableAt), zero);
      const __m512i e = _mm512_mulhrs_epi16(_mm512_maddubs_epi16(even, codes), factor[j]);
      const __m512i o = _mm512_mulhrs_epi16(_mm512_maddubs_epi16(odd, codes), factor[j]);
      __m512i bytes = _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaaULL, e, _mm512_slli_epi16(o, 8));
      if constexpr (F::kHasMin) {
        bytes = _mm512_add_epi8(bytes, plus[j]);
      } else if constexpr (kPlus != 0) {
        bytes = _mm512_add_epi8(bytes, _mm512_set1_epi8(static_cast<char>(kPlus)));
      }
      _mm512_store_si512(out + (group * 8 + q) * 64, bytes);
    });
  }
  return _mm512_maskz_div_ps(used, bound, top);
}

}  // namespace kedge::kernels::KEDGE_ISA
