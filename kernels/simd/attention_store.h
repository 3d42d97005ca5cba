// Writing one token into a KV page. Included by simd/table.cc only.
#pragma once

#include <bit>
#include <cstring>

#include "kernels/kernel_table.h"

namespace kedge::kernels::KEDGE_ISA {

// 32 values to codes + 8; returns the scale. As quantise_four() of the reference.
KEDGE_INLINE uint16_t quantise_four(const float* x, uint8_t* u) {
  const V x0 = V::load(x);
  const V x1 = V::load(x + 16);
  const float high = Fold::max(max(x0, x1));
  const float minus_low = Fold::max(max(V::zero() - x0, V::zero() - x1));
  const float extreme = high > minus_low ? high : -minus_low;
  if (!(__builtin_fabsf(extreme) > 1e-30f)) {
    std::memset(u, 8, 32);
    return 0;
  }
  const V inverse = V::set1(-8.0f / extreme);
  const V magic = V::set1(exp_constants::kMagic);
  const V most = V::set1(exp_constants::kMagic + 7.0f);
  float t[32];
  min(x0 * inverse + magic, most).store(t);
  min(x1 * inverse + magic, most).store(t + 16);
  for (int i = 0; i < 32; ++i) u[i] = static_cast<uint8_t>((std::bit_cast<uint32_t>(t[i]) + 8) & 15);
  return f32_to_f16(extreme / -8.0f);
}

static void store_q4(const KvLayout& l, std::byte* page, size_t t, const float* k, const float* v) {
  uint8_t u[32];
  uint8_t pairs[16];
  auto* k_scale = reinterpret_cast<uint16_t*>(page + l.k_scales()) + t;
  for (size_t b = 0; b < static_cast<size_t>(l.head_dim_k) / 32; ++b) {
    k_scale[b * kPageTokens] = quantise_four(k + b * 32, u);
    for (int i = 0; i < 16; ++i) {
      const int at = i / 4 * 8 + i % 4;
      pairs[i] = static_cast<uint8_t>(u[at] | u[at + 4] << 4);
    }
    for (size_t j = 0; j < 4; ++j) std::memcpy(page + ((b * 4 + j) * kPageTokens + t) * 4, pairs + j * 4, 4);
  }
  if (l.v_in_k) return;
  const auto blocks = static_cast<size_t>(l.head_dim_v) / 32;
  std::byte* values = page + l.v_offset() + t * blocks * 16;
  auto* v_scale = reinterpret_cast<uint16_t*>(page + l.v_scales()) + t * blocks;
  for (size_t b = 0; b < blocks; ++b) {
    v_scale[b] = quantise_four(v + b * 32, u);
    for (int i = 0; i < 16; ++i) pairs[i] = static_cast<uint8_t>(u[i] | u[i + 16] << 4);
    std::memcpy(values + b * 16, pairs, 16);
  }
}

static void kv_store(const KvLayout& l, std::byte* page, int slot, const float* k, const float* v) noexcept {
  const auto t = static_cast<size_t>(slot);
  const auto nk = static_cast<size_t>(l.head_dim_k);
  const auto nv = static_cast<size_t>(l.head_dim_v);
  std::byte* values = page + l.v_offset();
  if (l.format == KvFormat::kF32) {
    auto* to = reinterpret_cast<float*>(page);
    for (size_t i = 0; i < nk; ++i) to[i * kPageTokens + t] = k[i];
    if (!l.v_in_k) std::memcpy(values + t * nv * 4, v, nv * 4);
  } else if (l.format == KvFormat::kF16) {
    uint16_t half[kMaxHeadDim + 16];
    auto* to = reinterpret_cast<uint16_t*>(page);
    for (size_t i = 0; i < nk; i += 16)
      S::store_f16(half + i, V::load_part(k + i, l.head_dim_k - static_cast<int>(i), 0.0f));
    for (size_t i = 0; i < nk; ++i) to[i * kPageTokens + t] = half[i];
    if (l.v_in_k) return;
    for (size_t i = 0; i < nv; i += 16)
      S::store_f16(half + i, V::load_part(v + i, l.head_dim_v - static_cast<int>(i), 0.0f));
    std::memcpy(values + t * nv * 2, half, nv * 2);
  } else if (l.format == KvFormat::kQ4_0) {
    store_q4(l, page, t, k, v);
  } else {
    int8_t q[kMaxHeadDim];
    float d[kMaxHeadDim / 32];
    int16_t sums[kMaxHeadDim / 32];
    quantise_block32(k, l.head_dim_k, q, d, sums);
    for (size_t i = 0; i < nk; i += 4) {
      uint32_t four;
      std::memcpy(&four, q + i, 4);
      four ^= 0x80808080u;  // adds 128 to each
      std::memcpy(page + (i * kPageTokens + t * 4), &four, 4);
    }
    auto* k_scale = reinterpret_cast<uint16_t*>(page + l.k_scales());
    for (size_t b = 0; b < nk / 32; ++b) k_scale[b * kPageTokens + t] = f32_to_f16(d[b]);
    if (l.v_in_k) return;
    quantise_block32(v, l.head_dim_v, q, d, sums);
    std::memcpy(values + t * nv, q, nv);
    auto* v_scale = reinterpret_cast<uint16_t*>(page + l.v_scales()) + t * (nv / 32);
    for (size_t b = 0; b < nv / 32; ++b) v_scale[b] = f32_to_f16(d[b]);
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
