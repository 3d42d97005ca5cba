// Rows of float weights as bfloat16, sixteen at a time, for the products of `--numerics fast`. Included by
// simd/table_amx.cc and simd/table_bf16.cc only.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/x86.h"

namespace kedge::kernels::KEDGE_ISA {

// 32 values of one row as bfloat16.
template <class F>
KEDGE_INLINE __m512i bf16_row(const typename F::Block* p) {
  if constexpr (F::kGgufId == quants::bf16::Format::kGgufId) {
    return _mm512_loadu_si512(p);
  } else {
    const S::F32x16 low = F::template load16<S>(p);
    const S::F32x16 high = F::template load16<S>(p + 16);
    return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high.v[0], low.v[0]));
  }
}

// 16 rows of 16 pairs to [16 pairs][16 rows].
KEDGE_INLINE void store_transposed(__m512i (&r)[16], uint16_t* out) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  // r[4i + j] now holds, in its quarter c, pair 4c + j of rows 4i .. 4i + 3.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i a = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88);
    const __m512i b = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd);
    const __m512i c = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
    const __m512i d = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);
    _mm512_store_si512(out + j * 32, _mm512_shuffle_i32x4(a, c, 0x88));
    _mm512_store_si512(out + (4 + j) * 32, _mm512_shuffle_i32x4(b, d, 0x88));
    _mm512_store_si512(out + (8 + j) * 32, _mm512_shuffle_i32x4(a, c, 0xdd));
    _mm512_store_si512(out + (12 + j) * 32, _mm512_shuffle_i32x4(b, d, 0xdd));
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
