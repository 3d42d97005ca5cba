// Writing one token into a KV page. Included by simd/table.cc only.
#pragma once

#include <cstring>

#include "kernels/kernel_table.h"

namespace kedge::KEDGE_ISA {

static void kv_store(const KvLayout& l, std::byte* page, int slot, const float* k, const float* v) noexcept {
  const auto t = static_cast<size_t>(slot);
  const auto nk = static_cast<size_t>(l.head_dim_k);
  const auto nv = static_cast<size_t>(l.head_dim_v);
  std::byte* values = page + l.v_offset();
  if (l.format == KvFormat::kF32) {
    auto* to = reinterpret_cast<float*>(page);
    for (size_t i = 0; i < nk; ++i) to[i * kPageTokens + t] = k[i];
    std::memcpy(values + t * nv * 4, v, nv * 4);
  } else if (l.format == KvFormat::kF16) {
    uint16_t half[kMaxHeadDim + 16];
    auto* to = reinterpret_cast<uint16_t*>(page);
    for (size_t i = 0; i < nk; i += 16)
      S::store_f16(half + i, V::load_part(k + i, l.head_dim_k - static_cast<int>(i), 0.0f));
    for (size_t i = 0; i < nk; ++i) to[i * kPageTokens + t] = half[i];
    for (size_t i = 0; i < nv; i += 16)
      S::store_f16(half + i, V::load_part(v + i, l.head_dim_v - static_cast<int>(i), 0.0f));
    std::memcpy(values + t * nv * 2, half, nv * 2);
  } else {
    int8_t q[kMaxHeadDim];
    float d[kMaxHeadDim / 32];
    int16_t sums[kMaxHeadDim / 32];
    quantise_block32(k, l.head_dim_k, q, d, sums);
    auto* codes = reinterpret_cast<uint8_t*>(page);
    for (size_t i = 0; i < nk; ++i) codes[(i / 4 * kPageTokens + t) * 4 + i % 4] = static_cast<uint8_t>(q[i] + 128);
    auto* k_scale = reinterpret_cast<uint16_t*>(page + l.k_scales());
    for (size_t b = 0; b < nk / 32; ++b) k_scale[b * kPageTokens + t] = f32_to_f16(d[b]);
    quantise_block32(v, l.head_dim_v, q, d, sums);
    std::memcpy(values + t * nv, q, nv);
    auto* v_scale = reinterpret_cast<uint16_t*>(page + l.v_scales()) + t * (nv / 32);
    for (size_t b = 0; b < nv / 32; ++b) v_scale[b] = f32_to_f16(d[b]);
  }
}

}  // namespace kedge::KEDGE_ISA
