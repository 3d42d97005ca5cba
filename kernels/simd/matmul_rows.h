// Matmul of quantised weights read in their file layout, eight rows at a time: for decode and a few tokens, where
// memory is the limit. Integer dots are exact; per block (or super-block) one fma into one accumulator per row.
// Included by simd/table.cc only.
#pragma once

#include "kernels/kernel_table.h"

namespace kedge::KEDGE_ISA {

template <class F>
inline constexpr bool kWideCodes = F::kMaxCode > 127;

// The zero point still to be subtracted after dot32 / products (wide codes may already be centred).
template <class F>
inline constexpr int kDotZero = kWideCodes<F> && !kVnni ? F::kZero - 128 : F::kZero;
template <class F>
inline constexpr int kProductZero = kWideCodes<F> ? F::kZero - 128 : F::kZero;

// The float scales of block b of eight rows.
template <class F>
KEDGE_INLINE __m256 scales8(const typename F::Block* const* p, int b) {
  if constexpr (requires { p[0]->d; }) {
    if constexpr (sizeof(p[0]->d) == 2) {
      __m128i h = _mm_setzero_si128();
      h = _mm_insert_epi16(h, p[0][b].d, 0);
      h = _mm_insert_epi16(h, p[1][b].d, 1);
      h = _mm_insert_epi16(h, p[2][b].d, 2);
      h = _mm_insert_epi16(h, p[3][b].d, 3);
      h = _mm_insert_epi16(h, p[4][b].d, 4);
      h = _mm_insert_epi16(h, p[5][b].d, 5);
      h = _mm_insert_epi16(h, p[6][b].d, 6);
      h = _mm_insert_epi16(h, p[7][b].d, 7);
      return _mm256_cvtph_ps(h);
    }
  }
  return _mm256_setr_ps(F::scale(p[0][b]), F::scale(p[1][b]), F::scale(p[2][b]), F::scale(p[3][b]), F::scale(p[4][b]),
                        F::scale(p[5][b]), F::scale(p[6][b]), F::scale(p[7][b]));
}

// How far ahead of the computation memory is read: what arrives while memory answers.
inline constexpr size_t kAheadBytes = 16384;

// Reads ahead: while block b of eight rows is computed, the bytes that come at the same place of a later group of eight
// rows are fetched. Rows lie one after the other, so this is a linear stream however short they are.
template <class F>
struct ReadAhead {
  static constexpr size_t kBytesPerBlock = 8 * sizeof(typename F::Block);
  const char* next;

  KEDGE_INLINE void fetch(int b) const {
    const char* from = next + static_cast<size_t>(b) * kBytesPerBlock;
#pragma GCC unroll 32
    for (size_t line = 0; line < kBytesPerBlock; line += 64) __builtin_prefetch(from + line, 0, 2);
  }
};

template <class F>
KEDGE_INLINE __m256 block32_rows8(const typename F::Block* const* p, const ActRows& x, size_t token,
                                  const ReadAhead<F>& ahead) {
  const int n_blocks = x.k / 32;
  const int8_t* q = x.q + token * static_cast<size_t>(x.k);
  const float* d = x.d + token * static_cast<size_t>(n_blocks);
  const int16_t* sums = x.sums32 + token * static_cast<size_t>(n_blocks);
  __m256 acc = _mm256_setzero_ps();
  for (int b = 0; b < n_blocks; ++b) {
    const __m256i a = S::load32(q + b * 32);
    ahead.fetch(b);
    __m256i part[8];
#pragma GCC unroll 16
    for (int i = 0; i < 8; ++i) {
      part[i] = S::dot32<kWideCodes<F>>(F::template load<S>(p[i][b]), a);
    }
    __m256i isum = S::reduce8(part);
    if constexpr (kDotZero<F> != 0) isum = _mm256_sub_epi32(isum, _mm256_set1_epi32(kDotZero<F> * sums[b]));
    const __m256 dx = _mm256_set1_ps(d[b]);
    acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(isum), _mm256_mul_ps(scales8<F>(p, b), dx), acc);
    if constexpr (F::kHasMin) {
      const __m256 m = _mm256_setr_ps(F::min(p[0][b]), F::min(p[1][b]), F::min(p[2][b]), F::min(p[3][b]),
                                      F::min(p[4][b]), F::min(p[5][b]), F::min(p[6][b]), F::min(p[7][b]));
      acc = _mm256_fmadd_ps(_mm256_set1_ps(static_cast<float>(sums[b])), _mm256_mul_ps(m, dx), acc);
    }
  }
  return acc;
}

// The sixteen sub-block values of a super-block as 16-bit integers (each given once per 16 codes).
template <int kSub>
KEDGE_INLINE __m256i spread16(const void* subs, bool is_signed) {
  __m128i s;
  if constexpr (kSub == 16) {
    s = S::load16(subs);
  } else {
    s = _mm_loadl_epi64(static_cast<const __m128i*>(subs));
    s = _mm_unpacklo_epi8(s, s);
  }
  return is_signed ? _mm256_cvtepi8_epi16(s) : _mm256_cvtepu8_epi16(s);
}

// Integer parts of one super-block of one row, still in 8 lanes.
template <class F>
KEDGE_INLINE void super256_part(const typename F::Block& w, const int8_t* q, __m256i sums16, __m256i& dot,
                                __m256i& mins) {
  constexpr int kSubs = 256 / F::kSub;
  alignas(16) int8_t sc[kSubs];
  F::scales(w, sc);
  const __m256i sc16 = spread16<F::kSub>(sc, true);
  // Scales of codes [32g, 32g+16) in the low half, of the rest in the high half.
  const __m256i low = _mm256_permute4x64_epi64(sc16, 0x44);
  const __m256i high = _mm256_permute4x64_epi64(sc16, 0xee);
  __m256i acc = _mm256_setzero_si256();
  if constexpr (kProductZero<F> != 0) {
    const __m256i zero = _mm256_madd_epi16(sc16, sums16);
    acc = _mm256_sub_epi32(acc, _mm256_mullo_epi32(zero, _mm256_set1_epi32(kProductZero<F>)));
  }
#pragma GCC unroll 8
  for (int g = 0; g < 8; ++g) {
    const int at = g % 4 * 4;  // byte offset of the pair of 16-bit scales within its half
    const __m128i pick_low = _mm_set1_epi16(static_cast<int16_t>(at | (at + 1) << 8));
    const __m128i pick_high = _mm_set1_epi16(static_cast<int16_t>((at + 2) | (at + 3) << 8));
    const __m256i scale = _mm256_shuffle_epi8(g < 4 ? low : high, _mm256_set_m128i(pick_high, pick_low));
    const __m256i products = S::products<kWideCodes<F>>(F::template load<S>(w, g), S::load32(q + g * 32));
    acc = S::multiply_add16(acc, products, scale);
  }
  dot = acc;
  if constexpr (F::kHasMin) {
    alignas(16) uint8_t mn[kSubs];
    F::mins(w, mn);
    mins = _mm256_madd_epi16(spread16<F::kSub>(mn, false), sums16);
  }
}

template <class F>
KEDGE_INLINE __m256 super256_rows8(const typename F::Block* const* p, const ActRows& x, size_t token,
                                   const ReadAhead<F>& ahead) {
  const int n_blocks = x.k / 256;
  const int8_t* q = x.q + token * static_cast<size_t>(x.k);
  const float* d = x.d + token * static_cast<size_t>(n_blocks);
  const int16_t* sums = x.sums16 + token * static_cast<size_t>(x.k / 16);
  __m256 acc = _mm256_setzero_ps();
  for (int b = 0; b < n_blocks; ++b) {
    const __m256i sums16 = S::load32(sums + b * 16);
    ahead.fetch(b);
    __m256i dots[8];
    __m256i mins[8];
#pragma GCC unroll 16
    for (int i = 0; i < 8; ++i) {
      super256_part<F>(p[i][b], q + b * 256, sums16, dots[i], mins[i]);
    }
    const __m256 dx = _mm256_set1_ps(d[b]);
    acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(S::reduce8(dots)), _mm256_mul_ps(scales8<F>(p, b), dx), acc);
    if constexpr (F::kHasMin) {
      const __m256 dmin =
          _mm256_setr_ps(F::min_scale(p[0][b]), F::min_scale(p[1][b]), F::min_scale(p[2][b]), F::min_scale(p[3][b]),
                         F::min_scale(p[4][b]), F::min_scale(p[5][b]), F::min_scale(p[6][b]), F::min_scale(p[7][b]));
      acc = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(S::reduce8(mins)), _mm256_mul_ps(dmin, dx), acc);
    }
  }
  return acc;
}

template <class F>
static void matmul_rows(const WeightRows& w, const ActRows& x, float* y, size_t ldy) noexcept {
  const size_t group_bytes = 8 * w.row_bytes;
  const size_t ahead_bytes = (kAheadBytes + group_bytes - 1) / group_bytes * group_bytes;
  for (int r = 0; r < w.n_rows; r += 8) {
    const int n = w.n_rows - r < 8 ? w.n_rows - r : 8;
    const typename F::Block* p[8];
#pragma GCC unroll 16
    for (int i = 0; i < 8; ++i) {  // short groups repeat their last row and drop the copies
      const int row = r + (i < n ? i : n - 1);
      p[i] = reinterpret_cast<const typename F::Block*>(w.data + static_cast<size_t>(row) * w.row_bytes);
    }
    const ReadAhead<F> ahead{reinterpret_cast<const char*>(p[0]) + ahead_bytes};
    for (int t = 0; t < x.n; ++t) {
      __m256 acc;
      if constexpr (F::kFamily == QuantFamily::kBlock32) {
        acc = block32_rows8<F>(p, x, x.row(t), ahead);
      } else {
        acc = super256_rows8<F>(p, x, x.row(t), ahead);
      }
      float* out = y + static_cast<size_t>(t) * ldy + r;
      if (n == 8) {
        _mm256_storeu_ps(out, acc);
      } else {
        alignas(32) float all[8];
        _mm256_store_ps(all, acc);
        for (int i = 0; i < n; ++i) out[i] = all[i];
      }
    }
  }
}

}  // namespace kedge::KEDGE_ISA
