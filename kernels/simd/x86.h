// Bytes and integers on AVX2 and AVX-512 with VNNI: what the matmul kernels need beyond float lanes. Compiled once per
// instruction set; S lives in that instruction set's namespace, so no symbol is shared.
#pragma once

#include <immintrin.h>

#include "kernels/base/inline.h"
#include "kernels/simd/vec16.h"

namespace kedge::KEDGE_ISA {

#if defined(__AVX512VNNI__)
inline constexpr bool kVnni = true;
using XsimdArch = xsimd::avx512bw;
#else
inline constexpr bool kVnni = false;
using XsimdArch = xsimd::fma3<xsimd::avx2>;
#endif

struct S {
  using F32x16 = simd::Vec16<XsimdArch>;
  using U8x32 = __m256i;
  using I32x8 = __m256i;

  // ---- bytes, as `load<S>` of the formats wants them (simd/scalar.h says what each does)
  KEDGE_INLINE static U8x32 load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  KEDGE_INLINE static __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  KEDGE_INLINE static U8x32 join(const void* low, const void* high) {
    return _mm256_set_m128i(load16(high), load16(low));
  }
  KEDGE_INLINE static U8x32 set1(uint8_t x) { return _mm256_set1_epi8(static_cast<char>(x)); }
  KEDGE_INLINE static U8x32 and_(U8x32 a, U8x32 b) { return _mm256_and_si256(a, b); }
  KEDGE_INLINE static U8x32 or_(U8x32 a, U8x32 b) { return _mm256_or_si256(a, b); }
  KEDGE_INLINE static U8x32 low4(U8x32 a) { return and_(a, set1(15)); }
  KEDGE_INLINE static U8x32 high4(U8x32 a) { return and_(_mm256_srli_epi16(a, 4), set1(15)); }
  KEDGE_INLINE static U8x32 nibbles(const void* p) {
    const __m128i x = load16(p);
    return low4(_mm256_set_m128i(_mm_srli_epi16(x, 4), x));
  }
  template <int N>
  KEDGE_INLINE static U8x32 shl(U8x32 a) {
    return and_(_mm256_slli_epi16(a, N), set1(static_cast<uint8_t>(0xff << N)));
  }
  template <int N>
  KEDGE_INLINE static U8x32 shr(U8x32 a) {
    return and_(_mm256_srli_epi16(a, N), set1(static_cast<uint8_t>(0xff >> N)));
  }
  KEDGE_INLINE static U8x32 flip_sign(U8x32 a) { return _mm256_xor_si256(a, set1(0x80)); }
  KEDGE_INLINE static U8x32 expand_bits(uint32_t bits) {
    const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i select = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201ULL));
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), spread);
    return _mm256_cmpeq_epi8(and_(bytes, select), select);
  }
  KEDGE_INLINE static U8x32 lookup16(U8x32 a, const uint8_t* table) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load16(table)), a);
  }
  KEDGE_INLINE static void store32(void* p, U8x32 a) { _mm256_storeu_si256(static_cast<__m256i*>(p), a); }

  // ---- 16-bit floats
  KEDGE_INLINE static F32x16 f16_to_f32x16(const uint16_t* p) {
    F32x16 r;
#if defined(__AVX512VNNI__)
    r.v[0] = _mm512_cvtph_ps(load32(p));
#else
    r.v[0] = _mm256_cvtph_ps(load16(p));
    r.v[1] = _mm256_cvtph_ps(load16(p + 8));
#endif
    return r;
  }
  KEDGE_INLINE static F32x16 bf16_to_f32x16(const uint16_t* p) {
    F32x16 r;
#if defined(__AVX512VNNI__)
    r.v[0] = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load32(p)), 16));
#else
    r.v[0] = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(p)), 16));
    r.v[1] = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(p + 8)), 16));
#endif
    return r;
  }
  // Rounds to nearest even.
  KEDGE_INLINE static void store_f16(uint16_t* p, const F32x16& x) {
#if defined(__AVX512VNNI__)
    store32(p, _mm512_cvtps_ph(x.v[0], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#else
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x.v[0], _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(x.v[1], _MM_FROUND_TO_NEAREST_INT));
#endif
  }
  // 16 signed bytes as floats.
  KEDGE_INLINE static F32x16 i8_to_f32x16(const int8_t* p) {
    F32x16 r;
#if defined(__AVX512VNNI__)
    r.v[0] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load16(p)));
#else
    const __m128i x = load16(p);
    r.v[0] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(x));
    r.v[1] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(x, 8)));
#endif
    return r;
  }

  // ---- integer dots of 32 codes of one row, in 8 lanes
  // u: codes, a: signed activation codes. Exact: with wide codes (above 127) AVX2 multiplies |u-128| by the activation
  // with the sign moved over, so that no 16-bit sum saturates; then the result is of u - 128, not of u.
  template <bool kWide>
  KEDGE_INLINE static I32x8 dot32(U8x32 u, __m256i a) {
#if defined(__AVX512VNNI__)
    return _mm256_dpbusd_epi32(_mm256_setzero_si256(), u, a);
#else
    return _mm256_madd_epi16(products<kWide>(u, a), _mm256_set1_epi16(1));
#endif
  }
  // Pairwise 16-bit products. Wide codes are taken as u - 128 on both instruction sets.
  template <bool kWide>
  KEDGE_INLINE static __m256i products(U8x32 u, __m256i a) {
    if constexpr (!kWide) return _mm256_maddubs_epi16(u, a);
    const __m256i w = flip_sign(u);
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
  }
  KEDGE_INLINE static I32x8 multiply_add16(I32x8 acc, __m256i x, __m256i y) {
#if defined(__AVX512VNNI__)
    return _mm256_dpwssd_epi32(acc, x, y);
#else
    return _mm256_add_epi32(acc, _mm256_madd_epi16(x, y));
#endif
  }
  // Lane i of the result is the sum of the lanes of p[i].
  KEDGE_INLINE static I32x8 reduce8(const I32x8* p) {
    const __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(p[0], p[1]), _mm256_hadd_epi32(p[2], p[3]));
    const __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(p[4], p[5]), _mm256_hadd_epi32(p[6], p[7]));
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
  }

  // ---- panels: one register of rows, four consecutive codes of k per row
#if defined(__AVX512VNNI__)
  static constexpr int kRows = 16;
  static constexpr int kTileRows = 2;  // row registers per tile
  static constexpr int kTileTokens = 6;
  using Codes = __m512i;
  using Ints = __m512i;
  using Floats = __m512;
  KEDGE_INLINE static Codes load_codes(const uint8_t* p) { return _mm512_loadu_si512(p); }
  KEDGE_INLINE static Ints set_int(int32_t x) { return _mm512_set1_epi32(x); }
  KEDGE_INLINE static Ints load_i8(const int8_t* p) { return _mm512_cvtepi8_epi32(load16(p)); }
  template <bool kWide>
  KEDGE_INLINE static Ints dot4(Ints acc, Codes w, Ints a) {
    return _mm512_dpbusd_epi32(acc, w, a);
  }
  KEDGE_INLINE static Ints pairs(Ints acc, const int16_t* p, Ints a) {
    return _mm512_dpwssd_epi32(acc, _mm512_loadu_si512(p), a);
  }
  KEDGE_INLINE static Ints mul_add(Ints a, Ints b, Ints acc) { return _mm512_add_epi32(acc, _mm512_mullo_epi32(a, b)); }
  KEDGE_INLINE static Floats to_float(Ints a) { return _mm512_cvtepi32_ps(a); }
  KEDGE_INLINE static Floats load_floats(const float* p) { return _mm512_loadu_ps(p); }
  KEDGE_INLINE static void store_floats(float* p, Floats x) { _mm512_storeu_ps(p, x); }
  KEDGE_INLINE static Floats set_float(float x) { return _mm512_set1_ps(x); }
  KEDGE_INLINE static Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  KEDGE_INLINE static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  KEDGE_INLINE static Floats fnma(Floats a, Floats b, Floats c) { return _mm512_fnmadd_ps(a, b, c); }
#else
  static constexpr int kRows = 8;
  static constexpr int kTileRows = 1;
  static constexpr int kTileTokens = 4;
  using Codes = __m256i;
  using Ints = __m256i;
  using Floats = __m256;
  KEDGE_INLINE static Codes load_codes(const uint8_t* p) { return load32(p); }
  KEDGE_INLINE static Ints set_int(int32_t x) { return _mm256_set1_epi32(x); }
  KEDGE_INLINE static Ints load_i8(const int8_t* p) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  // Wide panels hold signed codes (u - 128).
  template <bool kWide>
  KEDGE_INLINE static Ints dot4(Ints acc, Codes w, Ints a) {
    const __m256i p =
        kWide ? _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w)) : _mm256_maddubs_epi16(w, a);
    return _mm256_add_epi32(acc, _mm256_madd_epi16(p, _mm256_set1_epi16(1)));
  }
  KEDGE_INLINE static Ints pairs(Ints acc, const int16_t* p, Ints a) { return multiply_add16(acc, load32(p), a); }
  KEDGE_INLINE static Ints mul_add(Ints a, Ints b, Ints acc) { return _mm256_add_epi32(acc, _mm256_mullo_epi32(a, b)); }
  KEDGE_INLINE static Floats to_float(Ints a) { return _mm256_cvtepi32_ps(a); }
  KEDGE_INLINE static Floats load_floats(const float* p) { return _mm256_loadu_ps(p); }
  KEDGE_INLINE static void store_floats(float* p, Floats x) { _mm256_storeu_ps(p, x); }
  KEDGE_INLINE static Floats set_float(float x) { return _mm256_set1_ps(x); }
  KEDGE_INLINE static Floats mul(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  KEDGE_INLINE static Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  KEDGE_INLINE static Floats fnma(Floats a, Floats b, Floats c) { return _mm256_fnmadd_ps(a, b, c); }
#endif
};

}  // namespace kedge::KEDGE_ISA
