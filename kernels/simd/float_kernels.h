// Rows of floats: SwiGLU, softmax, rotary positions, activation quantisation (norms and what else there is: rows.cc).
// Each mirrors its namesake in
// kernels/reference/float_ops.cc, sixteen lanes at a time. Included by simd/table.cc only, once per instruction set.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/base/inline.h"
#include "kernels/math_constants.h"
#include "kernels/simd/float_math.h"

namespace kedge::kernels::KEDGE_ISA {

static void add(const float* x, float* y, int n) noexcept {
  for (int i = 0; i < n; i += 16) {
    (V::load_part(y + i, n - i, 0.0f) + V::load_part(x + i, n - i, 0.0f)).store_part(y + i, n - i);
  }
}

static void add_scaled(const float* x, float s, float* y, int n) noexcept {
  const V scale = V::set1(s);
  for (int i = 0; i < n; i += 16) {
    fma(scale, V::load_part(x + i, n - i, 0.0f), V::load_part(y + i, n - i, 0.0f)).store_part(y + i, n - i);
  }
}

static void silu_mul(const float* gate, const float* up, float* y, int n) noexcept {
  for (int i = 0; i < n; i += 16) {
    const V g = V::load_part(gate + i, n - i, 0.0f);
    (silu(g) * V::load_part(up + i, n - i, 0.0f)).store_part(y + i, n - i);
  }
}

static void softmax(float* x, int n) noexcept {
  V m = V::set1(x[0]);
  for (int i = 0; i < n; i += 16) m = max(V::load_part(x + i, n - i, x[0]), m);
  const V top = V::set1(m.max_lane());
  V sum = V::zero();
  for (int i = 0; i < n; i += 16) {
    // Lanes past the end become exp(-inf) = 0.
    const V e = exp(V::load_part(x + i, n - i, -__builtin_inff()) - top);
    e.store_part(x + i, n - i);
    sum = sum + e;
  }
  const V inverse = V::set1(1.0f / sum.tree_sum());
  for (int i = 0; i < n; i += 16) (V::load_part(x + i, n - i, 0.0f) * inverse).store_part(x + i, n - i);
}

static void rope_half(float* x, const float* cos_sin, int n_pairs) noexcept {
  for (int i = 0; i < n_pairs; ++i) {
    const float c = cos_sin[2 * i];
    const float s = cos_sin[2 * i + 1];
    const float a = x[i];
    const float b = x[i + n_pairs];
    x[i] = __builtin_fmaf(a, c, -(b * s));
    x[i + n_pairs] = __builtin_fmaf(b, c, a * s);
  }
}

static void rope_interleaved(float* x, const float* cos_sin, int n_pairs) noexcept {
  for (int i = 0; i < n_pairs; ++i) {
    const float c = cos_sin[2 * i];
    const float s = cos_sin[2 * i + 1];
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    x[2 * i] = __builtin_fmaf(a, c, -(b * s));
    x[2 * i + 1] = __builtin_fmaf(b, c, a * s);
  }
}

// One group of n (a multiple of 16) values with one scale; returns the scale. Rounded values are stored before any
// becomes a byte: one loop over all of them, which the compiler narrows in vectors.
template <int n>
KEDGE_INLINE float quantise_group(const float* x, int8_t* q) {
  V m = V::zero();
  for (int i = 0; i < n; i += 16) m = max(abs(V::load(x + i)), m);
  const float amax = Fold::max(m);
  if (!(amax > 1e-30f)) {
    for (int i = 0; i < n; ++i) q[i] = 0;
    return 0.0f;
  }
  const float inverse = 127.0f / amax;
  const V scale = V::set1(inverse);
  const V magic = V::set1(exp_constants::kMagic);
  alignas(64) float t[n];
  for (int i = 0; i < n; i += 16) (V::load(x + i) * scale + magic).store(t + i);
  for (int i = 0; i < n; ++i) q[i] = static_cast<int8_t>(std::bit_cast<uint32_t>(t[i]) & 0xff);
  return amax / 127.0f;
}

KEDGE_INLINE int16_t sum_codes(const int8_t* q, int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += q[i];
  return static_cast<int16_t>(sum);
}

static void quantise_block32(const float* x, int k, int8_t* q, float* d, int16_t* sums32) noexcept {
  for (int b = 0; b < k / 32; ++b) {
    d[b] = quantise_group<32>(x + b * 32, q + b * 32);
    sums32[b] = sum_codes(q + b * 32, 32);
  }
}

static void quantise_super256(const float* x, int k, int8_t* q, float* d, int16_t* sums16, int16_t* sums32) noexcept {
  for (int b = 0; b < k / 256; ++b) d[b] = quantise_group<256>(x + b * 256, q + b * 256);
  for (int b = 0; b < k / 16; ++b) sums16[b] = sum_codes(q + b * 16, 16);
  for (int b = 0; b < k / 32; ++b) sums32[b] = static_cast<int16_t>(sums16[2 * b] + sums16[2 * b + 1]);
}

}  // namespace kedge::kernels::KEDGE_ISA
