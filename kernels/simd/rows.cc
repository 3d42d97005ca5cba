// Rows of floats: norms and activations, as reference/float_ops.cc and reference/activations.cc have them.
#include "kernels/simd/rows.h"

#include "kernels/simd/float_math.h"

namespace kedge::kernels::KEDGE_ISA {

namespace {

KEDGE_INLINE float sum_of_squares(const float* x, int n) {
  V sum = V::zero();
  by_sixteen(
      n, [&](int i, int left) __attribute__((always_inline)) {
        const V a = V::load_part(x + i, left, 0.0f);
        sum = fma(a, a, sum);
      });
  return sum.tree_sum();
}

// y = f(x)
template <class F>
KEDGE_INLINE void each(const float* x, float* y, int n, F&& f) {
  by_sixteen(
      n, [&](int i, int left)
             __attribute__((always_inline)) { f(V::load_part(x + i, left, 0.0f)).store_part(y + i, left); });
}

// y = f(a, b)
template <class F>
KEDGE_INLINE void each(const float* a, const float* b, float* y, int n, F&& f) {
  by_sixteen(
      n, [&](int i, int left) __attribute__((always_inline)) {
        f(V::load_part(a + i, left, 0.0f), V::load_part(b + i, left, 0.0f)).store_part(y + i, left);
      });
}

// Calls f with the function of sixteen lanes that `a` names.
template <class F>
KEDGE_INLINE void with_function(Activation a, F&& f) {
  switch (a) {
    case Activation::kSilu:
      return f([](const V& x) __attribute__((always_inline)) { return silu(x); });
    case Activation::kGeluTanh:
      return f([](const V& x) __attribute__((always_inline)) { return gelu_tanh(x); });
    case Activation::kGeluErf:
      return f([](const V& x) __attribute__((always_inline)) { return gelu_erf(x); });
    case Activation::kReluSquared:
      return f([](const V& x) __attribute__((always_inline)) { return relu_squared(x); });
    case Activation::kSigmoid:
      return f([](const V& x) __attribute__((always_inline)) { return sigmoid(x); });
    case Activation::kSoftplus:
      return f([](const V& x) __attribute__((always_inline)) { return softplus(x); });
    case Activation::kTanh:
      return f([](const V& x) __attribute__((always_inline)) { return tanh(x); });
    case Activation::kExp:
      return f([](const V& x) __attribute__((always_inline)) { return exp(x); });
  }
}

}  // namespace

void rms_norm(const float* x, const float* weight, float* y, int n, float eps) noexcept {
  const float mean = sum_of_squares(x, n) / static_cast<float>(n);
  const V inverse = V::set1(1.0f / __builtin_sqrtf(mean + eps));
  if (weight == nullptr) {
    return each(
        x, y, n, [&](const V& a) __attribute__((always_inline)) { return a * inverse; });
  }
  each(
      x, weight, y, n, [&](const V& a, const V& w) __attribute__((always_inline)) { return (a * inverse) * w; });
}

void layer_norm(const float* x, const float* weight, const float* bias, float* y, int n, float eps) noexcept {
  V sum = V::zero();
  by_sixteen(
      n, [&](int i, int left) __attribute__((always_inline)) { sum = sum + V::load_part(x + i, left, 0.0f); });
  const float mean = sum.tree_sum() / static_cast<float>(n);
  const V centre = V::set1(mean);
  V squares = V::zero();
  by_sixteen(
      n, [&](int i, int left) __attribute__((always_inline)) {
        const V a = V::load_part(x + i, left, mean) - centre;  // lanes past the end add nothing
        squares = fma(a, a, squares);
      });
  const V inverse = V::set1(1.0f / __builtin_sqrtf(squares.tree_sum() / static_cast<float>(n) + eps));
  by_sixteen(
      n, [&](int i, int left) __attribute__((always_inline)) {
        V a = (V::load_part(x + i, left, 0.0f) - centre) * inverse;
        if (weight != nullptr) a = a * V::load_part(weight + i, left, 0.0f);
        if (bias != nullptr) a = a + V::load_part(bias + i, left, 0.0f);
        a.store_part(y + i, left);
      });
}

void l2_norm(const float* x, float* y, int n, float eps) noexcept {
  const float norm = __builtin_sqrtf(sum_of_squares(x, n));
  const V inverse = V::set1(1.0f / (norm > eps ? norm : eps));
  each(
      x, y, n, [&](const V& a) __attribute__((always_inline)) { return a * inverse; });
}

void mul(const float* x, float* y, int n) noexcept {
  each(
      x, y, y, n, [](const V& a, const V& b) __attribute__((always_inline)) { return b * a; });
}

void scale(float s, float* y, int n) noexcept {
  const V factor = V::set1(s);
  each(
      y, y, n, [&](const V& a) __attribute__((always_inline)) { return a * factor; });
}

void softcap(float cap, float* y, int n) noexcept {
  const V most = V::set1(cap);
  each(
      y, y, n, [&](const V& a) __attribute__((always_inline)) { return most * tanh(a / most); });
}

void activate(Activation a, const float* x, float* y, int n) noexcept {
  with_function(
      a, [&](auto f) __attribute__((always_inline)) { each(x, y, n, f); });
}

void activate_mul(Activation a, const float* gate, const float* up, float* y, int n) noexcept {
  with_function(
      a, [&](auto f) __attribute__((always_inline)) {
        each(
            gate, up, y, n, [&](const V& g, const V& u) __attribute__((always_inline)) { return f(g) * u; });
      });
}

void swiglu_clipped(const float* gate, const float* up, float* y, int n, float alpha, float limit) noexcept {
  const V most = V::set1(limit);
  const V least = V::set1(-limit);
  const V slope = V::set1(alpha);
  const V one = V::set1(1.0f);
  each(
      gate, up, y, n, [&](const V& gate16, const V& up16) __attribute__((always_inline)) {
        const V g = where_above(gate16, limit, most, gate16);
        const V capped = where_above(up16, limit, most, up16);
        const V u = V::make([&](int i) __attribute__((always_inline)) {
          return xsimd::select(capped.v[i] < least.v[i], least.v[i], capped.v[i]);
        });
        return (g / (one + exp(negative(slope * g)))) * (u + one);
      });
}

}  // namespace kedge::kernels::KEDGE_ISA
