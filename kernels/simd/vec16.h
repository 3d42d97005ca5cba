// Sixteen virtual lanes of float32 on whatever registers the instruction set has. Every floating-point kernel is
// written on this type once; operations are lane-wise, and the only horizontal sum is the fixed tree.
#pragma once

#include <cstdint>
#include <cstring>
#include <xsimd/xsimd.hpp>

#include "kernels/base/inline.h"
#include "kernels/math_constants.h"

namespace kedge::kernels::simd {

// Where xsimd 8.1 is not exact or not free: its fma multiplies and adds on AVX-512, its division on NEON is Newton's
// iteration, and its casts there are calls through a table (which leaves weak symbols behind).
template <class B>
KEDGE_INLINE B fused(const B& a, const B& b, const B& c) {
#if defined(__AVX512F__)
  return B(_mm512_fmadd_ps(a, b, c));
#else
  return xsimd::fma(a, b, c);
#endif
}
template <class B>
KEDGE_INLINE B divided(const B& a, const B& b) {
#if defined(__aarch64__)
  return B(vdivq_f32(a, b));
#else
  return a / b;
#endif
}
template <class I, class B>
KEDGE_INLINE I as_ints(const B& a) {
#if defined(__aarch64__)
  return I(vreinterpretq_s32_f32(a));
#else
  return xsimd::bitwise_cast<I>(a);
#endif
}
template <class B, class I>
KEDGE_INLINE B as_floats(const I& a) {
#if defined(__aarch64__)
  return B(vreinterpretq_f32_s32(a));
#else
  return xsimd::bitwise_cast<B>(a);
#endif
}

template <class Arch>
struct Vec16 {
  using B = xsimd::batch<float, Arch>;
  using I = xsimd::batch<int32_t, Arch>;
  static constexpr int kWidth = static_cast<int>(B::size);
  static constexpr int kParts = 16 / kWidth;
  B v[kParts];

  template <class F>
  KEDGE_INLINE static Vec16 make(F&& f) {
    Vec16 r;
#pragma GCC unroll 16
    for (int i = 0; i < kParts; ++i) r.v[i] = f(i);
    return r;
  }
  KEDGE_INLINE static Vec16 set1(float x) {
    return make([&](int) { return B(x); });
  }
  KEDGE_INLINE static Vec16 zero() { return set1(0.0f); }
  KEDGE_INLINE static Vec16 load(const float* p) {
    return make([&](int i) { return B::load_unaligned(p + i * kWidth); });
  }
  // The first n (0..16) floats; `fill` in the other lanes.
  KEDGE_INLINE static Vec16 load_part(const float* p, int n, float fill) {
    if (n >= 16) return load(p);
    float t[16];
    for (float& x : t) x = fill;
    for (int i = 0; i < n; ++i) t[i] = p[i];
    return load(t);
  }
  KEDGE_INLINE void store(float* p) const {
#pragma GCC unroll 16
    for (int i = 0; i < kParts; ++i) v[i].store_unaligned(p + i * kWidth);
  }
  KEDGE_INLINE void store_part(float* p, int n) const {
    if (n >= 16) return store(p);
    float t[16];
    store(t);
    for (int i = 0; i < n; ++i) p[i] = t[i];
  }

  KEDGE_INLINE friend Vec16 operator+(const Vec16& a, const Vec16& b) {
    return make([&](int i) { return a.v[i] + b.v[i]; });
  }
  KEDGE_INLINE friend Vec16 operator-(const Vec16& a, const Vec16& b) {
    return make([&](int i) { return a.v[i] - b.v[i]; });
  }
  KEDGE_INLINE friend Vec16 operator*(const Vec16& a, const Vec16& b) {
    return make([&](int i) { return a.v[i] * b.v[i]; });
  }
  KEDGE_INLINE friend Vec16 operator/(const Vec16& a, const Vec16& b) {
    return make([&](int i) { return divided(a.v[i], b.v[i]); });
  }
  KEDGE_INLINE friend Vec16 fma(const Vec16& a, const Vec16& b, const Vec16& c) {
    return make([&](int i) { return fused(a.v[i], b.v[i], c.v[i]); });
  }
  KEDGE_INLINE friend Vec16 max(const Vec16& a, const Vec16& b) {
    return make([&](int i) { return xsimd::max(a.v[i], b.v[i]); });
  }
  KEDGE_INLINE friend Vec16 min(const Vec16& a, const Vec16& b) {
    return make([&](int i) { return xsimd::min(a.v[i], b.v[i]); });
  }
  KEDGE_INLINE friend Vec16 abs(const Vec16& a) {
    return make([&](int i) { return xsimd::abs(a.v[i]); });
  }
  // The reference's exp, operation for operation.
  KEDGE_INLINE friend Vec16 exp(const Vec16& a) {
    using namespace exp_constants;
    return make([&](int i) {
      const B x = a.v[i];
      const B clamped = xsimd::min(x, B(kHigh));
      const B shifted = fused(clamped, B(kLog2e), B(kMagic));
      const B n = shifted - B(kMagic);
      B r = fused(n, B(-kLn2High), clamped);
      r = fused(n, B(-kLn2Low), r);
      B p = fused(B(kP0), r, B(kP1));
      p = fused(p, r, B(kP2));
      p = fused(p, r, B(kP3));
      p = fused(p, r, B(kP4));
      p = fused(p, r, B(kP5));
      p = fused(p, r * r, r) + B(1.0f);
      const I bits = as_ints<I>(p) + (as_ints<I>(shifted) << 23);
      return xsimd::select(x < B(kLow), B(0.0f), as_floats<B>(bits));
    });
  }

  // The fixed tree: 16 -> 8 -> 4 -> 2 -> 1 by adding halves.
  KEDGE_INLINE float tree_sum() const {
    float t[16];
    store(t);
    float s[4];
    for (int i = 0; i < 4; ++i) s[i] = (t[i] + t[i + 8]) + (t[i + 4] + t[i + 12]);
    return (s[0] + s[2]) + (s[1] + s[3]);
  }
  // Lane values; the result does not depend on the order.
  KEDGE_INLINE float max_lane() const {
    float t[16];
    store(t);
    float m = t[0];
    for (int i = 1; i < 16; ++i) m = t[i] > m ? t[i] : m;
    return m;
  }
};

}  // namespace kedge::kernels::simd
