// Writing one token into a KV page: kernels/kv_page.h describes the bytes.
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/base/float16.h"
#include "kernels/math_constants.h"
#include "kernels/reference/reference.h"

namespace kedge::kernels::reference {

namespace {

template <class T>
void store(std::byte* p, size_t i, T v) {
  std::memcpy(p + i * sizeof(T), &v, sizeof(T));
}

void quantise_eight(const float* x, size_t n, int8_t* q, uint16_t* d) {
  float scale[kMaxHeadDim / 32];
  int16_t sums[kMaxHeadDim / 32];
  quantise_block32(x, static_cast<int>(n), q, scale, sums);
  for (size_t b = 0; b < n / 32; ++b) d[b] = f32_to_f16(scale[b]);
}

void quantise_four(const float* x, int8_t* q, uint16_t* d) {
  float high = 0;
  float low = 0;
  for (int i = 0; i < 32; ++i) {
    high = x[i] > high ? x[i] : high;
    low = x[i] < low ? x[i] : low;
  }
  const float extreme = high > -low ? high : low;
  if (!(std::fabs(extreme) > 1e-30f)) {  // too small for a finite inverse: the block is zero
    std::memset(q, 0, 32);
    *d = 0;
    return;
  }
  const float inverse = -8.0f / extreme;
  for (int i = 0; i < 32; ++i) {
    const float shifted = x[i] * inverse + exp_constants::kMagic;  // product and sum rounded separately
    const int code = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(exp_constants::kMagic);
    q[i] = static_cast<int8_t>(code < 7 ? code : 7);
  }
  *d = f32_to_f16(extreme / -8.0f);
}

// A key or value: codes and half-precision scales per 32 values.
void quantise_head(KvFormat format, const float* x, size_t n, int8_t* q, uint16_t* d) {
  if (format == KvFormat::kQ8_0) return quantise_eight(x, n, q, d);
  for (size_t b = 0; b < n / 32; ++b) quantise_four(x + b * 32, q + b * 32, d + b);
}

uint8_t pair(int low, int high) { return static_cast<uint8_t>(((low + 8) & 15) | ((high + 8) & 15) << 4); }

void store_quantised(const KvLayout& l, std::byte* page, size_t t, const float* k, const float* v) {
  int8_t q[kMaxHeadDim];
  uint16_t d[kMaxHeadDim / 32];
  const auto nk = static_cast<size_t>(l.head_dim_k);
  const auto nv = static_cast<size_t>(l.head_dim_v);
  const bool eight = l.format == KvFormat::kQ8_0;
  quantise_head(l.format, k, nk, q, d);
  for (size_t i = 0; i < nk; ++i) {
    if (eight) {
      store(page, (i / 4 * kPageTokens + t) * 4 + i % 4, static_cast<uint8_t>(q[i] + 128));
    } else if (i % 8 < 4) {
      store(page, (i / 8 * kPageTokens + t) * 4 + i % 4, pair(q[i], q[i + 4]));
    }
  }
  for (size_t b = 0; b < nk / 32; ++b) store(page + l.k_scales(), b * kPageTokens + t, d[b]);
  if (l.v_in_k) return;
  quantise_head(l.format, v, nv, q, d);
  std::byte* values = page + l.v_offset();
  for (size_t i = 0; i < nv; ++i) {
    const size_t at = t * nv + i;
    if (eight) {
      store(values, at, q[i]);
    } else if (i % 32 < 16) {
      store(values, at / 32 * 16 + i % 16, pair(q[i], q[i + 16]));
    }
  }
  std::memcpy(page + l.v_scales() + t * (nv / 32) * 2, d, nv / 32 * 2);
}

}  // namespace

void kv_store(const KvLayout& l, std::byte* page, int slot, const float* k, const float* v) noexcept {
  const auto t = static_cast<size_t>(slot);
  if (is_quantised(l.format)) return store_quantised(l, page, t, k, v);
  std::byte* values = page + l.v_offset();
  for (size_t i = 0; i < static_cast<size_t>(l.head_dim_k); ++i) {
    const size_t at = i * kPageTokens + t;
    l.format == KvFormat::kF32 ? store(page, at, k[i]) : store(page, at, f32_to_f16(k[i]));
  }
  for (size_t i = 0; !l.v_in_k && i < static_cast<size_t>(l.head_dim_v); ++i) {
    const size_t at = t * static_cast<size_t>(l.head_dim_v) + i;
    l.format == KvFormat::kF32 ? store(values, at, v[i]) : store(values, at, f32_to_f16(v[i]));
  }
}

}  // namespace kedge::kernels::reference
