// The functions of kernels/activation.h, one value at a time.
#include <cmath>

#include "kernels/math_constants.h"
#include "kernels/reference/reference.h"

namespace kedge::kernels::reference {

namespace {

float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }

float gelu_tanh(float x) {
  using namespace gelu_constants;
  const float u = x * std::fma(x * x, kCubic, kLinear);
  return x / (1.0f + exp(-u));
}

// Without cancellation on either side: x Phi(x) for x < 0, x - x Phi(-x) otherwise.
float gelu_erf(float x) {
  using namespace gelu_constants;
  const float a = std::fabs(x);
  const float square = x * x;
  const float lost = std::fma(x, x, -square);  // what the rounding of the square took
  const float t = 1.0f / std::fma(a, kStep, 1.0f);
  float p = kTail[0];
  for (int i = 1; i < 10; ++i) p = std::fma(p, t, kTail[i]);
  float e = exp(-0.5f * square);
  e = e > 0.0f ? std::fma(-0.5f * lost, e, e) : 0.0f;
  const float tail = e * (t * p);
  return x < 0.0f ? x * tail : std::fma(-x, tail, x);
}

}  // namespace

// max(x, 0) + log(1 + exp(-|x|))
float softplus(float x) {
  using namespace log_constants;
  const float e = exp(-std::fabs(x));
  const float s = e / (2.0f + e);
  const float u = s * s;
  float p = kSeries[0];
  for (int i = 1; i < 6; ++i) p = std::fma(p, u, kSeries[i]);
  return std::fma(2.0f * s, p, x > 0.0f ? x : 0.0f);
}

float activate(Activation f, float x) {
  switch (f) {
    case Activation::kSilu:
      return x / (1.0f + exp(-x));
    case Activation::kGeluTanh:
      return gelu_tanh(x);
    case Activation::kGeluErf:
      return gelu_erf(x);
    case Activation::kReluSquared:
      return x > 0.0f ? x * x : 0.0f;
    case Activation::kSigmoid:
      return sigmoid(x);
    case Activation::kSoftplus:
      return softplus(x);
    case Activation::kTanh:
      return tanh(x);
    case Activation::kExp:
      return exp(x);
  }
  return x;
}

void activate(Activation f, const float* x, float* y, int n) noexcept {
  for (int i = 0; i < n; ++i) y[i] = activate(f, x[i]);
}

void activate_mul(Activation f, const float* gate, const float* up, float* y, int n) noexcept {
  for (int i = 0; i < n; ++i) y[i] = activate(f, gate[i]) * up[i];
}

void swiglu_clipped(const float* gate, const float* up, float* y, int n, float alpha, float limit) noexcept {
  for (int i = 0; i < n; ++i) {
    const float g = gate[i] > limit ? limit : gate[i];
    const float most = up[i] > limit ? limit : up[i];
    const float u = most < -limit ? -limit : most;
    y[i] = (g / (1.0f + exp(-(alpha * g)))) * (u + 1.0f);
  }
}

void softcap(float cap, float* y, int n) noexcept {
  for (int i = 0; i < n; ++i) y[i] = cap * tanh(y[i] / cap);
}

}  // namespace kedge::kernels::reference
