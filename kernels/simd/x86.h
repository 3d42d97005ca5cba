// Bytes and integers on AVX2 and AVX-512 with VNNI: what the matmul kernels need beyond float lanes. Compiled once per
// instruction set; S lives in that instruction set's namespace, so no symbol is shared.
#pragma once

#include <immintrin.h>

#include "kernels/base/inline.h"
#include "kernels/simd/vec16.h"

namespace kedge::kernels::KEDGE_ISA {

#if defined(__AVX512VNNI__)
using XsimdArch = xsimd::avx512bw;
#else
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
  KEDGE_INLINE static U8x32 minus(U8x32 a, U8x32 b) { return _mm256_sub_epi8(a, b); }
  KEDGE_INLINE static U8x32 flip_sign(U8x32 a) { return _mm256_xor_si256(a, set1(0x80)); }
  KEDGE_INLINE static U8x32 expand_bits(uint32_t bits) {
    const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i select = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201ULL));
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), spread);
    return _mm256_cmpeq_epi8(and_(bytes, select), select);
  }
  // The sum of 16 signed bytes.
  KEDGE_INLINE static int sum16(const int8_t* p) {
    const __m128i two = _mm_sad_epu8(_mm_xor_si128(load16(p), _mm_set1_epi8(-128)), _mm_setzero_si128());
    return _mm_cvtsi128_si32(two) + _mm_extract_epi16(two, 4) - 16 * 128;
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

  // The tree sums (Vec16::tree_sum) of four accumulators to out[0 .. 4).
  KEDGE_INLINE static void store_tree_sums4(const F32x16* acc, float* out) {
    __m128 q[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
#if defined(__AVX512VNNI__)
      const __m512 v = acc[i].v[0];
      const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
#else
      const __m256 half = _mm256_add_ps(acc[i].v[0], acc[i].v[1]);
#endif
      q[i] = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    }
    // Lanes 0 + 2 and 1 + 3 of each, then their sum.
    const __m128 a = _mm_add_ps(_mm_movelh_ps(q[0], q[1]), _mm_movehl_ps(q[1], q[0]));
    const __m128 b = _mm_add_ps(_mm_movelh_ps(q[2], q[3]), _mm_movehl_ps(q[3], q[2]));
    _mm_storeu_ps(out, _mm_hadd_ps(a, b));
  }

  // ---- lanes of rows: one register holds four consecutive codes, or one number, of kRows rows
#if defined(__AVX512VNNI__)
  static constexpr int kRows = 16;
  using Codes = __m512i;
  using Ints = __m512i;
  using Floats = __m512;
  KEDGE_INLINE static Codes load_codes(const void* p) { return _mm512_loadu_si512(p); }
  KEDGE_INLINE static void store_codes(void* p, Codes x) { _mm512_storeu_si512(p, x); }
  KEDGE_INLINE static Codes set_byte(uint8_t x) { return _mm512_set1_epi8(static_cast<char>(x)); }
  KEDGE_INLINE static Codes code_and(Codes a, Codes b) { return _mm512_and_si512(a, b); }
  KEDGE_INLINE static Codes code_or(Codes a, Codes b) { return _mm512_or_si512(a, b); }
  KEDGE_INLINE static Codes code_xor(Codes a, Codes b) { return _mm512_xor_si512(a, b); }
  // Lanes of 32 bits shifted; bits cross bytes, mask afterwards.
  template <int N>
  KEDGE_INLINE static Codes lane_shr(Codes a) {
    return N == 0 ? a : _mm512_srli_epi32(a, N);
  }
  template <int N>
  KEDGE_INLINE static Codes lane_shl(Codes a) {
    return N == 0 ? a : _mm512_slli_epi32(a, N);
  }
  KEDGE_INLINE static Codes lookup(Codes a, const uint8_t* table) {
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(load16(table)), a);
  }
  KEDGE_INLINE static Ints set_int(int32_t x) { return _mm512_set1_epi32(x); }
  // Activation codes q[0 .. 3], as Dot wants them: to all lanes. kQuad is their place among sixteen.
  template <int kQuad>
  KEDGE_INLINE static Ints activations(const int8_t* q) {
    int32_t word;
    __builtin_memcpy(&word, q, 4);
    return set_int(word);
  }
  // acc += four products per lane; wide codes (above 127) are given as they are here, centred at zero on AVX2.
  template <bool kWide>
  KEDGE_INLINE static Ints dot4(Ints acc, Codes w, Ints a) {
    return _mm512_dpbusd_epi32(acc, w, a);
  }
  KEDGE_INLINE static Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  KEDGE_INLINE static Ints sub(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  template <int N>
  KEDGE_INLINE static Ints times_power(Ints a) {
    return _mm512_slli_epi32(a, N);
  }
  KEDGE_INLINE static Ints times_int(Ints a, int32_t n) { return _mm512_mullo_epi32(a, set_int(n)); }
  // acc += the dot of the two 16-bit integers of each lane.
  KEDGE_INLINE static Ints pair_dot(Ints acc, Codes x, Codes y) { return _mm512_dpwssd_epi32(acc, x, y); }
  // Signed bytes 0 and 2 (even), or 1 and 3 (odd) of a lane as its two 16-bit integers.
  KEDGE_INLINE static Codes even_pair(Codes a) { return _mm512_srai_epi16(_mm512_slli_epi16(a, 8), 8); }
  KEDGE_INLINE static Codes odd_pair(Codes a) { return _mm512_srai_epi16(a, 8); }
  KEDGE_INLINE static Floats to_float(Ints a) { return _mm512_cvtepi32_ps(a); }
  KEDGE_INLINE static Floats load_floats(const float* p) { return _mm512_loadu_ps(p); }
  KEDGE_INLINE static void store_floats(float* p, Floats x) { _mm512_storeu_ps(p, x); }
  KEDGE_INLINE static Floats load_f16(const void* p) { return _mm512_cvtph_ps(load32(p)); }
  KEDGE_INLINE static Floats load_bf16(const void* p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load32(p)), 16));
  }
  KEDGE_INLINE static Floats set_float(float x) { return _mm512_set1_ps(x); }
  KEDGE_INLINE static Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  KEDGE_INLINE static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  KEDGE_INLINE static Floats fnma(Floats a, Floats b, Floats c) { return _mm512_fnmadd_ps(a, b, c); }

  // Sums of code * activation over up to kQuads quads: unsigned codes, 32-bit sums.
  template <int kMaxCode, int kZero = 0>
  struct Dot {
    static constexpr int kQuads = 8;
    static constexpr bool kStarts = true;  // a sum can begin with any number
    static constexpr bool kPairStarts = false;
    static constexpr bool kCentred = false;  // codes are taken as they are
    using Weights = Codes;
    using Sum = Ints;
    using SubScale = Ints;
    KEDGE_INLINE static Weights weights(Codes w) { return w; }
    KEDGE_INLINE static Ints first(Weights w, Ints a) { return _mm512_dpbusd_epi32(_mm512_setzero_si512(), w, a); }
    KEDGE_INLINE static Ints next(Ints sum, Weights w, Ints a) { return _mm512_dpbusd_epi32(sum, w, a); }
    KEDGE_INLINE static Ints finish(Ints sum) { return sum; }
    // The even (0) or odd (1) one of a pair.
    template <int kHalf>
    KEDGE_INLINE static SubScale sub_scale(Codes pair) {
      return _mm512_srai_epi32(kHalf == 0 ? _mm512_slli_epi32(pair, 16) : pair, 16);
    }
    KEDGE_INLINE static Ints finish_scaled(Ints total, Ints sum, SubScale s) {
      return _mm512_add_epi32(total, _mm512_mullo_epi32(sum, s));
    }
  };
#else
  static constexpr int kRows = 8;
  using Codes = __m256i;
  using Ints = __m256i;
  using Floats = __m256;
  KEDGE_INLINE static Codes load_codes(const void* p) { return load32(p); }
  KEDGE_INLINE static void store_codes(void* p, Codes x) { store32(p, x); }
  KEDGE_INLINE static Codes set_byte(uint8_t x) { return set1(x); }
  KEDGE_INLINE static Codes code_and(Codes a, Codes b) { return and_(a, b); }
  KEDGE_INLINE static Codes code_or(Codes a, Codes b) { return or_(a, b); }
  KEDGE_INLINE static Codes code_xor(Codes a, Codes b) { return _mm256_xor_si256(a, b); }
  template <int N>
  KEDGE_INLINE static Codes lane_shr(Codes a) {
    return N == 0 ? a : _mm256_srli_epi32(a, N);
  }
  template <int N>
  KEDGE_INLINE static Codes lane_shl(Codes a) {
    return N == 0 ? a : _mm256_slli_epi32(a, N);
  }
  KEDGE_INLINE static Codes lookup(Codes a, const uint8_t* table) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load16(table)), a);
  }
  KEDGE_INLINE static Ints set_int(int32_t x) { return _mm256_set1_epi32(x); }
  template <int kQuad>
  KEDGE_INLINE static Ints activations(const int8_t* q) {
    int32_t word;
    __builtin_memcpy(&word, q, 4);
    return set_int(word);
  }
  template <bool kWide>
  KEDGE_INLINE static Ints dot4(Ints acc, Codes w, Ints a) {
    const __m256i p =
        kWide ? _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w)) : _mm256_maddubs_epi16(w, a);
    return _mm256_add_epi32(acc, _mm256_madd_epi16(p, _mm256_set1_epi16(1)));
  }
  KEDGE_INLINE static Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
  KEDGE_INLINE static Ints sub(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  template <int N>
  KEDGE_INLINE static Ints times_power(Ints a) {
    return _mm256_slli_epi32(a, N);
  }
  KEDGE_INLINE static Ints times_int(Ints a, int32_t n) { return _mm256_mullo_epi32(a, set_int(n)); }
  KEDGE_INLINE static Ints pair_dot(Ints acc, Codes x, Codes y) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(x, y));
  }
  KEDGE_INLINE static Codes even_pair(Codes a) { return _mm256_srai_epi16(_mm256_slli_epi16(a, 8), 8); }
  KEDGE_INLINE static Codes odd_pair(Codes a) { return _mm256_srai_epi16(a, 8); }
  KEDGE_INLINE static Floats to_float(Ints a) { return _mm256_cvtepi32_ps(a); }
  KEDGE_INLINE static Floats load_floats(const float* p) { return _mm256_loadu_ps(p); }
  KEDGE_INLINE static void store_floats(float* p, Floats x) { _mm256_storeu_ps(p, x); }
  KEDGE_INLINE static Floats load_f16(const void* p) { return _mm256_cvtph_ps(load16(p)); }
  KEDGE_INLINE static Floats load_bf16(const void* p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(p)), 16));
  }
  KEDGE_INLINE static Floats set_float(float x) { return _mm256_set1_ps(x); }
  KEDGE_INLINE static Floats mul(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  KEDGE_INLINE static Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  KEDGE_INLINE static Floats fnma(Floats a, Floats b, Floats c) { return _mm256_fnmadd_ps(a, b, c); }

  // Sums of code * activation in 16 bits, over as many quads as cannot overflow them. Codes above 127 are centred
  // (code - 128); their sign moves over to the activation, which keeps each pair of products within 16 bits. With a
  // kZero sums begin with start_word: codes less the zero are what they sum.
  template <int kMaxCode, int kZero = 0>
  struct Dot {
    static constexpr bool kCentred = kMaxCode > 127;
    static constexpr bool kStarts = !kCentred;
    static constexpr bool kPairStarts = true;  // with a start_word
    static constexpr int kLargest = kCentred ? 128 : kZero > kMaxCode - kZero ? kZero : kMaxCode - kZero;
    static constexpr int kFit = 32767 / (2 * 127 * kLargest);
    static constexpr int kQuads = kFit >= 8 ? 8 : kFit >= 4 ? 4 : kFit >= 2 ? 2 : 1;
    struct Weights {
      Codes code;
      Codes size;
    };
    using Sum = Ints;
    using SubScale = Codes;
    KEDGE_INLINE static Weights weights(Codes w) { return {w, kCentred ? _mm256_abs_epi8(w) : w}; }
    KEDGE_INLINE static Ints first(const Weights& w, Ints a) {
      return _mm256_maddubs_epi16(w.size, kCentred ? _mm256_sign_epi8(a, w.code) : a);
    }
    KEDGE_INLINE static Ints next(Ints sum, const Weights& w, Ints a) { return _mm256_add_epi16(sum, first(w, a)); }
    KEDGE_INLINE static Ints finish(Ints sum) { return _mm256_madd_epi16(sum, _mm256_set1_epi16(1)); }
    template <int kHalf>
    KEDGE_INLINE static SubScale sub_scale(Codes pair) {
      const __m256i low = _mm256_set1_epi32(0x01000100);
      const __m256i lane =
          _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c);
      const __m256i half = _mm256_set1_epi32(kHalf * 0x02020202);
      return _mm256_shuffle_epi8(pair, _mm256_add_epi8(_mm256_add_epi8(low, lane), half));
    }
    KEDGE_INLINE static Ints finish_scaled(Ints total, Ints sum, SubScale s) {
      return _mm256_add_epi32(total, _mm256_madd_epi16(sum, s));
    }
    // -kZeroLeft times the activation codes of kCount quads, as sums have them: the first and the last two of quads.
    template <int kZeroLeft, int kCount>
    KEDGE_INLINE static int32_t start_word(const int8_t* q) {
      const auto pairs = [](__m128i codes) __attribute__((always_inline)) {
        return _mm_maddubs_epi16(_mm_set1_epi8(1), codes);
      };
      __m128i sum;
      if constexpr (kCount == 8) {
        sum = _mm_add_epi16(pairs(load16(q)), pairs(load16(q + 16)));
      } else if constexpr (kCount == 4) {
        sum = pairs(load16(q));
      } else {
        static_assert(kCount <= 2);
        sum = pairs(kCount == 2 ? _mm_loadl_epi64(reinterpret_cast<const __m128i*>(q)) : _mm_loadu_si32(q));
      }
      if constexpr (kCount >= 4) sum = _mm_add_epi16(sum, _mm_shuffle_epi32(sum, 0x4e));
      if constexpr (kCount >= 2) sum = _mm_add_epi16(sum, _mm_shuffle_epi32(sum, 0xb1));
      return _mm_cvtsi128_si32(_mm_mullo_epi16(sum, _mm_set1_epi16(-kZeroLeft)));
    }
  };
#endif
};

}  // namespace kedge::kernels::KEDGE_ISA
