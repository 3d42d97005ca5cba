// Bytes and integers on NEON, with and without the dot products of ARMv8.2: what the matmul kernels need beyond float
// lanes. The members are those of simd/x86.h, which says what each does; compiled once per instruction set likewise.
#pragma once

#include <arm_neon.h>

#include "kernels/base/inline.h"
#include "kernels/simd/vec16.h"

namespace kedge::kernels::KEDGE_ISA {

struct S {
  using F32x16 = simd::Vec16<xsimd::neon64>;
  struct U8x32 {
    uint8x16_t low;
    uint8x16_t high;
  };

  // ---- bytes, as `load<S>` of the formats wants them (simd/scalar.h says what each does)
  KEDGE_INLINE static uint8x16_t load16(const void* p) { return vld1q_u8(static_cast<const uint8_t*>(p)); }
  KEDGE_INLINE static U8x32 load32(const void* p) { return {load16(p), load16(static_cast<const uint8_t*>(p) + 16)}; }
  KEDGE_INLINE static U8x32 join(const void* low, const void* high) { return {load16(low), load16(high)}; }
  KEDGE_INLINE static U8x32 set1(uint8_t x) { return {vdupq_n_u8(x), vdupq_n_u8(x)}; }
  KEDGE_INLINE static U8x32 and_(U8x32 a, U8x32 b) { return {vandq_u8(a.low, b.low), vandq_u8(a.high, b.high)}; }
  KEDGE_INLINE static U8x32 or_(U8x32 a, U8x32 b) { return {vorrq_u8(a.low, b.low), vorrq_u8(a.high, b.high)}; }
  KEDGE_INLINE static U8x32 low4(U8x32 a) { return and_(a, set1(15)); }
  KEDGE_INLINE static U8x32 high4(U8x32 a) { return {vshrq_n_u8(a.low, 4), vshrq_n_u8(a.high, 4)}; }
  KEDGE_INLINE static U8x32 nibbles(const void* p) {
    const uint8x16_t x = load16(p);
    return {vandq_u8(x, vdupq_n_u8(15)), vshrq_n_u8(x, 4)};
  }
  template <int N>
  KEDGE_INLINE static U8x32 shl(U8x32 a) {
    return {vshlq_n_u8(a.low, N), vshlq_n_u8(a.high, N)};
  }
  template <int N>
  KEDGE_INLINE static U8x32 shr(U8x32 a) {
    return {vshrq_n_u8(a.low, N), vshrq_n_u8(a.high, N)};
  }
  KEDGE_INLINE static U8x32 minus(U8x32 a, U8x32 b) { return {vsubq_u8(a.low, b.low), vsubq_u8(a.high, b.high)}; }
  KEDGE_INLINE static U8x32 flip_sign(U8x32 a) {
    return {veorq_u8(a.low, vdupq_n_u8(0x80)), veorq_u8(a.high, vdupq_n_u8(0x80))};
  }
  KEDGE_INLINE static U8x32 expand_bits(uint32_t bits) {
    const uint8x16_t select = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201ULL));
    const auto spread = [&](uint32_t two) __attribute__((always_inline)) {
      const auto byte = [](uint32_t x) __attribute__((always_inline)) { return vdup_n_u8(static_cast<uint8_t>(x)); };
      return vtstq_u8(vcombine_u8(byte(two), byte(two >> 8)), select);
    };
    return {spread(bits), spread(bits >> 16)};
  }
  // The sum of 16 signed bytes.
  KEDGE_INLINE static int sum16(const int8_t* p) { return vaddlvq_s8(vld1q_s8(p)); }
  KEDGE_INLINE static void store32(void* p, U8x32 a) {
    vst1q_u8(static_cast<uint8_t*>(p), a.low);
    vst1q_u8(static_cast<uint8_t*>(p) + 16, a.high);
  }

  // ---- 16-bit floats
  KEDGE_INLINE static F32x16 f16_to_f32x16(const uint16_t* p) {
    return F32x16::make([&](int i) __attribute__((always_inline)) { return F32x16::B(load_f16(p + 4 * i)); });
  }
  KEDGE_INLINE static F32x16 bf16_to_f32x16(const uint16_t* p) {
    return F32x16::make([&](int i) __attribute__((always_inline)) { return F32x16::B(load_bf16(p + 4 * i)); });
  }
  // Rounds to nearest even.
  KEDGE_INLINE static void store_f16(uint16_t* p, const F32x16& x) {
#pragma GCC unroll 16
    for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.v[i])));
  }
  // 16 signed bytes as floats.
  KEDGE_INLINE static F32x16 i8_to_f32x16(const int8_t* p) {
    const int8x16_t x = vld1q_s8(p);
    const int16x8_t low = vmovl_s8(vget_low_s8(x));
    const int16x8_t high = vmovl_high_s8(x);
    F32x16 r;
    r.v[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
    r.v[1] = vcvtq_f32_s32(vmovl_high_s16(low));
    r.v[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
    r.v[3] = vcvtq_f32_s32(vmovl_high_s16(high));
    return r;
  }

  // The tree sums (Vec16::tree_sum) of four accumulators to out[0 .. 4).
  KEDGE_INLINE static void store_tree_sums4(const F32x16* acc, float* out) {
    const auto pair = [](const F32x16& x) __attribute__((always_inline)) {
      const float32x4_t q = vaddq_f32(vaddq_f32(x.v[0], x.v[2]), vaddq_f32(x.v[1], x.v[3]));
      return vadd_f32(vget_low_f32(q), vget_high_f32(q));
    };
    const float32x4_t a = vcombine_f32(pair(acc[0]), pair(acc[1]));
    vst1q_f32(out, vpaddq_f32(a, vcombine_f32(pair(acc[2]), pair(acc[3]))));
  }

  // ---- lanes of rows: one register holds four consecutive codes, or one number, of kRows rows
  static constexpr int kRows = 4;
  using Codes = int32x4_t;
  using Ints = int32x4_t;
  using Floats = float32x4_t;
  KEDGE_INLINE static int8x16_t bytes(Codes x) { return vreinterpretq_s8_s32(x); }
  KEDGE_INLINE static int16x8_t pairs(Codes x) { return vreinterpretq_s16_s32(x); }
  KEDGE_INLINE static uint32x4_t lanes(Codes x) { return vreinterpretq_u32_s32(x); }

  KEDGE_INLINE static Codes load_codes(const void* p) { return vreinterpretq_s32_u8(load16(p)); }
  KEDGE_INLINE static void store_codes(void* p, Codes x) { vst1q_s8(static_cast<int8_t*>(p), bytes(x)); }
  KEDGE_INLINE static Codes set_byte(uint8_t x) { return vreinterpretq_s32_u8(vdupq_n_u8(x)); }
  KEDGE_INLINE static Codes code_and(Codes a, Codes b) { return vandq_s32(a, b); }
  KEDGE_INLINE static Codes code_or(Codes a, Codes b) { return vorrq_s32(a, b); }
  KEDGE_INLINE static Codes code_xor(Codes a, Codes b) { return veorq_s32(a, b); }
  template <int N>
  KEDGE_INLINE static Codes lane_shr(Codes a) {
    if constexpr (N == 0)
      return a;
    else
      return vreinterpretq_s32_u32(vshrq_n_u32(lanes(a), N));
  }
  template <int N>
  KEDGE_INLINE static Codes lane_shl(Codes a) {
    return vshlq_n_s32(a, N);
  }
  KEDGE_INLINE static Codes lookup(Codes a, const uint8_t* table) {
    return vreinterpretq_s32_u8(vqtbl1q_u8(load16(table), vreinterpretq_u8_s32(a)));
  }
  KEDGE_INLINE static Ints set_int(int32_t x) { return vdupq_n_s32(x); }
  KEDGE_INLINE static Ints add(Ints a, Ints b) { return vaddq_s32(a, b); }
  KEDGE_INLINE static Ints sub(Ints a, Ints b) { return vsubq_s32(a, b); }
  template <int N>
  KEDGE_INLINE static Ints times_power(Ints a) {
    return vshlq_n_s32(a, N);
  }
  KEDGE_INLINE static Ints times_int(Ints a, int32_t n) { return vmulq_n_s32(a, n); }
  KEDGE_INLINE static Ints pair_dot(Ints acc, Codes x, Codes y) {
    const int32x4_t low = vmull_s16(vget_low_s16(pairs(x)), vget_low_s16(pairs(y)));
    return vaddq_s32(acc, vpaddq_s32(low, vmull_high_s16(pairs(x), pairs(y))));
  }
  KEDGE_INLINE static Codes even_pair(Codes a) {
    return vreinterpretq_s32_s16(vshrq_n_s16(vshlq_n_s16(pairs(a), 8), 8));
  }
  KEDGE_INLINE static Codes odd_pair(Codes a) { return vreinterpretq_s32_s16(vshrq_n_s16(pairs(a), 8)); }
  KEDGE_INLINE static Floats to_float(Ints a) { return vcvtq_f32_s32(a); }
  KEDGE_INLINE static Floats load_floats(const float* p) { return vld1q_f32(p); }
  KEDGE_INLINE static void store_floats(float* p, Floats x) { vst1q_f32(p, x); }
  KEDGE_INLINE static uint16x4_t load_halves(const void* p) {
    return vreinterpret_u16_u8(vld1_u8(static_cast<const uint8_t*>(p)));
  }
  KEDGE_INLINE static Floats load_f16(const void* p) { return vcvt_f32_f16(vreinterpret_f16_u16(load_halves(p))); }
  KEDGE_INLINE static Floats load_bf16(const void* p) { return vreinterpretq_f32_u32(vshll_n_u16(load_halves(p), 16)); }
  KEDGE_INLINE static Floats set_float(float x) { return vdupq_n_f32(x); }
  KEDGE_INLINE static Floats mul(Floats a, Floats b) { return vmulq_f32(a, b); }
  KEDGE_INLINE static Floats fma(Floats a, Floats b, Floats c) { return vfmaq_f32(c, a, b); }
  KEDGE_INLINE static Floats fnma(Floats a, Floats b, Floats c) { return vfmsq_f32(c, a, b); }

  // What the dots below have in common. Products are signed: codes above 127 are centred (code - 128), the others
  // serve as they are.
  template <int kMaxCode>
  struct SignedDot {
    static constexpr bool kCentred = kMaxCode > 127;
    using Weights = Codes;
    using SubScale = Ints;
    KEDGE_INLINE static Weights weights(Codes w) { return w; }
    KEDGE_INLINE static Ints add_scaled(Ints total, Ints sum, SubScale s) { return vmlaq_s32(total, sum, s); }
    // The even (0) or odd (1) one of a pair.
    template <int kHalf>
    KEDGE_INLINE static SubScale sub_scale(Codes pair) {
      return vshrq_n_s32(kHalf == 0 ? vshlq_n_s32(pair, 16) : pair, 16);
    }
  };

#if defined(__ARM_FEATURE_DOTPROD)
  // The instruction takes the activations of one of four quads out of a register of sixteen codes.
  template <int kQuad>
  struct Quad {
    int8x16_t sixteen;
  };
  template <int kQuad>
  KEDGE_INLINE static Quad<kQuad> activations(const int8_t* q) {
    return {vld1q_s8(q - 4 * kQuad)};
  }
  template <bool kWide>
  KEDGE_INLINE static Ints dot4(Ints acc, Codes w, Ints a) {
    return vdotq_s32(acc, bytes(w), bytes(a));
  }

  template <int kMaxCode, int kZero = 0>
  struct Dot : SignedDot<kMaxCode> {
    static constexpr int kQuads = 8;
    static constexpr bool kStarts = true;  // a sum can begin with any number
    static constexpr bool kPairStarts = false;
    using Sum = Ints;
    template <int kQuad>
    KEDGE_INLINE static Sum first(Codes w, const Quad<kQuad>& a) {
      return next(set_int(0), w, a);
    }
    template <int kQuad>
    KEDGE_INLINE static Sum next(const Sum& sum, Codes w, const Quad<kQuad>& a) {
      return vdotq_laneq_s32(sum, bytes(w), a.sixteen, kQuad);
    }
    KEDGE_INLINE static Ints finish(const Sum& sum) { return sum; }
    KEDGE_INLINE static Ints finish_scaled(Ints total, const Sum& sum, Ints s) { return vmlaq_s32(total, sum, s); }
  };
#else
  template <int kQuad>
  KEDGE_INLINE static int8x16_t activations(const int8_t* q) {
    int32_t word;
    __builtin_memcpy(&word, q, 4);
    return bytes(set_int(word));
  }
  // A pair of products fits 16 bits: 2 * 128 * 127.
  template <bool kWide>
  KEDGE_INLINE static Ints dot4(Ints acc, Codes w, Ints a) {
    const int16x8_t low = vmull_s8(vget_low_s8(bytes(w)), vget_low_s8(bytes(a)));
    return vpadalq_s16(acc, vpaddq_s16(low, vmull_high_s8(bytes(w), bytes(a))));
  }

  // Sums in 16 bits, each of the four codes on its own, over as many quads as cannot overflow them.
  template <int kMaxCode, int kZero = 0>
  struct Dot : SignedDot<kMaxCode> {
    using Base = SignedDot<kMaxCode>;
    static constexpr bool kStarts = false;
    static constexpr bool kPairStarts = false;
    static constexpr int kLargest = 127 * (Base::kCentred ? 128 : kMaxCode);
    static constexpr int kFit = 32767 / kLargest;
    static constexpr int kQuads = kFit >= 8 ? 8 : kFit >= 4 ? 4 : 2;
    static_assert(kFit >= 2);
    struct Sum {
      int16x8_t low;
      int16x8_t high;
    };
    KEDGE_INLINE static Sum first(Codes w, int8x16_t a) {
      return {vmull_s8(vget_low_s8(bytes(w)), vget_low_s8(a)), vmull_high_s8(bytes(w), a)};
    }
    KEDGE_INLINE static Sum next(const Sum& sum, Codes w, int8x16_t a) {
      return {vmlal_s8(sum.low, vget_low_s8(bytes(w)), vget_low_s8(a)), vmlal_high_s8(sum.high, bytes(w), a)};
    }
    KEDGE_INLINE static Ints finish(const Sum& sum) {
      if constexpr (2 * kQuads * kLargest <= 32767) {
        return vpaddlq_s16(vpaddq_s16(sum.low, sum.high));
      } else {
        return vpaddq_s32(vpaddlq_s16(sum.low), vpaddlq_s16(sum.high));
      }
    }
    KEDGE_INLINE static Ints finish_scaled(Ints total, const Sum& sum, Ints s) {
      return vmlaq_s32(total, finish(sum), s);
    }
  };
#endif
};

}  // namespace kedge::kernels::KEDGE_ISA
