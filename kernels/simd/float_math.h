// The functions of reference/activations.cc, sixteen lanes at a time, operation for operation.
#pragma once

#include "kernels/math_constants.h"
#include "kernels/simd/lanes.h"

namespace kedge::kernels::KEDGE_ISA {

KEDGE_INLINE V negative(const V& x) {
  return V::make([&](int i) __attribute__((always_inline)) { return -x.v[i]; });
}

// x > limit ? a : b
KEDGE_INLINE V where_above(const V& x, float limit, const V& a, const V& b) {
  return V::make([&](int i)
                     __attribute__((always_inline)) { return xsimd::select(x.v[i] > V::B(limit), a.v[i], b.v[i]); });
}

// The terms from the highest power down.
template <int n>
KEDGE_INLINE V polynomial(const float (&terms)[n], const V& x) {
  V p = V::set1(terms[0]);
#pragma GCC unroll 16
  for (int i = 1; i < n; ++i) p = fma(p, x, V::set1(terms[i]));
  return p;
}

KEDGE_INLINE float exp_scalar(float x) {
  float lanes[16];
  exp(V::set1(x)).store(lanes);
  return lanes[0];
}

KEDGE_INLINE V tanh(const V& x) {
  const V e = exp(V::set1(-2.0f) * abs(x));
  const V t = (V::set1(1.0f) - e) / (V::set1(1.0f) + e);
  return V::make([&](int i) __attribute__((always_inline)) { return xsimd::copysign(t.v[i], x.v[i]); });
}

KEDGE_INLINE V silu(const V& x) { return x / (V::set1(1.0f) + exp(negative(x))); }

KEDGE_INLINE V sigmoid(const V& x) { return V::set1(1.0f) / (V::set1(1.0f) + exp(negative(x))); }

KEDGE_INLINE V gelu_tanh(const V& x) {
  using namespace gelu_constants;
  const V u = x * fma(x * x, V::set1(kCubic), V::set1(kLinear));
  return x / (V::set1(1.0f) + exp(negative(u)));
}

KEDGE_INLINE V gelu_erf(const V& x) {
  using namespace gelu_constants;
  const V square = x * x;
  const V lost = fma(x, x, negative(square));
  const V t = V::set1(1.0f) / fma(abs(x), V::set1(kStep), V::set1(1.0f));
  const V p = polynomial(kTail, t);
  const V e = exp(V::set1(-0.5f) * square);
  const V exact = where_above(e, 0.0f, fma(V::set1(-0.5f) * lost, e, e), V::zero());
  const V tail = exact * (t * p);
  const V below = x * tail;
  const V above = fma(negative(x), tail, x);
  return V::make([&](int i) __attribute__((always_inline)) {
    return xsimd::select(x.v[i] < V::B(0.0f), below.v[i], above.v[i]);
  });
}

KEDGE_INLINE V relu_squared(const V& x) { return where_above(x, 0.0f, x * x, V::zero()); }

KEDGE_INLINE V softplus(const V& x) {
  const V e = exp(negative(abs(x)));
  const V s = e / (V::set1(2.0f) + e);
  const V p = polynomial(log_constants::kSeries, s * s);
  return fma(V::set1(2.0f) * s, p, where_above(x, 0.0f, x, V::zero()));
}

}  // namespace kedge::kernels::KEDGE_ISA
