#include <bit>
#include <cmath>

#include "kernels/math_constants.h"
#include "kernels/reference/reference.h"

namespace kedge::kernels::reference {

float exp(float x) {
  using namespace exp_constants;
  if (x < kLow) return 0.0f;
  const float clamped = x < kHigh ? x : kHigh;
  const float shifted = std::fma(clamped, kLog2e, kMagic);
  const float n = shifted - kMagic;
  float r = std::fma(n, -kLn2High, clamped);
  r = std::fma(n, -kLn2Low, r);
  float p = kP0;
  for (const float c : {kP1, kP2, kP3, kP4, kP5}) p = std::fma(p, r, c);
  p = std::fma(p, r * r, r) + 1.0f;
  const uint32_t two_to_n = std::bit_cast<uint32_t>(shifted) << 23;  // the magic's low bits vanish: n, shifted up
  return std::bit_cast<float>(std::bit_cast<uint32_t>(p) + two_to_n);
}

// Through exp: exact symmetry, error below 2e-7.
float tanh(float x) {
  const float a = std::fabs(x);
  const float e = exp(-2.0f * a);
  return std::copysign((1.0f - e) / (1.0f + e), x);
}

float tree16(const float* lanes) {
  float s[8];
  for (int i = 0; i < 8; ++i) s[i] = lanes[i] + lanes[i + 8];
  for (int i = 0; i < 4; ++i) s[i] += s[i + 4];
  return (s[0] + s[2]) + (s[1] + s[3]);
}

void rms_norm(const float* x, const float* weight, float* y, int n, float eps) noexcept {
  float lanes[16] = {};
  for (int i = 0; i < n; ++i) lanes[i % 16] = std::fma(x[i], x[i], lanes[i % 16]);
  const float mean = tree16(lanes) / static_cast<float>(n);
  const float inverse = 1.0f / std::sqrt(mean + eps);
  for (int i = 0; i < n; ++i) {
    const float a = x[i] * inverse;
    y[i] = weight == nullptr ? a : a * weight[i];
  }
}

void layer_norm(const float* x, const float* weight, const float* bias, float* y, int n, float eps) noexcept {
  float lanes[16] = {};
  for (int i = 0; i < n; ++i) lanes[i % 16] += x[i];
  const float mean = tree16(lanes) / static_cast<float>(n);
  float squares[16] = {};
  for (int i = 0; i < n; ++i) {
    const float a = x[i] - mean;
    squares[i % 16] = std::fma(a, a, squares[i % 16]);
  }
  const float inverse = 1.0f / std::sqrt(tree16(squares) / static_cast<float>(n) + eps);
  for (int i = 0; i < n; ++i) {
    float a = (x[i] - mean) * inverse;
    if (weight != nullptr) a *= weight[i];
    y[i] = bias == nullptr ? a : a + bias[i];
  }
}

void l2_norm(const float* x, float* y, int n, float eps) noexcept {
  float lanes[16] = {};
  for (int i = 0; i < n; ++i) lanes[i % 16] = std::fma(x[i], x[i], lanes[i % 16]);
  const float norm = std::sqrt(tree16(lanes));
  const float inverse = 1.0f / (norm > eps ? norm : eps);
  for (int i = 0; i < n; ++i) y[i] = x[i] * inverse;
}

void add(const float* x, float* y, int n) noexcept {
  for (int i = 0; i < n; ++i) y[i] += x[i];
}

void add_scaled(const float* x, float s, float* y, int n) noexcept {
  for (int i = 0; i < n; ++i) y[i] = std::fma(s, x[i], y[i]);
}

void mul(const float* x, float* y, int n) noexcept {
  for (int i = 0; i < n; ++i) y[i] *= x[i];
}

void scale(float s, float* y, int n) noexcept {
  for (int i = 0; i < n; ++i) y[i] *= s;
}

void silu_mul(const float* gate, const float* up, float* y, int n) noexcept {
  for (int i = 0; i < n; ++i) y[i] = (gate[i] / (1.0f + exp(-gate[i]))) * up[i];
}

void softmax(float* x, int n) noexcept {
  float max = x[0];
  for (int i = 1; i < n; ++i) max = x[i] > max ? x[i] : max;
  float lanes[16] = {};
  for (int i = 0; i < n; ++i) {
    x[i] = exp(x[i] - max);
    lanes[i % 16] += x[i];
  }
  const float inverse = 1.0f / tree16(lanes);
  for (int i = 0; i < n; ++i) x[i] *= inverse;
}

namespace {
void rotate(float& a, float& b, float cos, float sin) {
  const float x = a;
  const float y = b;
  a = std::fma(x, cos, -(y * sin));
  b = std::fma(y, cos, x * sin);
}
}  // namespace

void rope_half(float* x, const float* cos_sin, int n_pairs) noexcept {
  for (int i = 0; i < n_pairs; ++i) rotate(x[i], x[i + n_pairs], cos_sin[2 * i], cos_sin[2 * i + 1]);
}

void rope_interleaved(float* x, const float* cos_sin, int n_pairs) noexcept {
  for (int i = 0; i < n_pairs; ++i) rotate(x[2 * i], x[2 * i + 1], cos_sin[2 * i], cos_sin[2 * i + 1]);
}

namespace {

// `n` values with one scale: d = amax / 127, code = x * (127 / amax) rounded half to even.
float quantise_group(const float* x, int n, int8_t* q) {
  float amax = 0;
  for (int i = 0; i < n; ++i) amax = std::fabs(x[i]) > amax ? std::fabs(x[i]) : amax;
  if (!(amax > 1e-30f)) {  // too small for a finite inverse: the group is zero
    for (int i = 0; i < n; ++i) q[i] = 0;
    return 0.0f;
  }
  const float inverse = 127.0f / amax;
  for (int i = 0; i < n; ++i) {
    const float shifted = x[i] * inverse + exp_constants::kMagic;  // product and sum rounded separately
    q[i] = static_cast<int8_t>(std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(exp_constants::kMagic));
  }
  return amax / 127.0f;
}

int16_t sum_codes(const int8_t* q, int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += q[i];
  return static_cast<int16_t>(sum);
}

}  // namespace

void quantise_block32(const float* x, int k, int8_t* q, float* d, int16_t* sums32) noexcept {
  for (int b = 0; b < k / 32; ++b) {
    d[b] = quantise_group(x + b * 32, 32, q + b * 32);
    sums32[b] = sum_codes(q + b * 32, 32);
  }
}

void quantise_super256(const float* x, int k, int8_t* q, float* d, int16_t* sums16, int16_t* sums32) noexcept {
  for (int b = 0; b < k / 256; ++b) d[b] = quantise_group(x + b * 256, 256, q + b * 256);
  for (int b = 0; b < k / 16; ++b) sums16[b] = sum_codes(q + b * 16, 16);
  for (int b = 0; b < k / 32; ++b) sums32[b] = static_cast<int16_t>(sums16[2 * b] + sums16[2 * b + 1]);
}

}  // namespace kedge::kernels::reference
