// Matmul by the book: one float accumulator per output, blocks of k in ascending order (kFloat: 16 lanes over k).
#include <algorithm>
#include <cmath>

#include "kernels/quant_contract.h"
#include "kernels/reference/reference.h"
#include "registry/quants_headers.inc"

namespace kedge::kernels {

size_t matmul_scratch_bytes(int k) {
  // Codes of 32 rows, or floats of 16, or a tile of 16 rows of activations and a fixed amount for sums; or the floats
  // of a block of tokens that stays in the second-level cache.
  constexpr size_t kFloatBlock = size_t{544} << 10;
  return std::max((static_cast<size_t>(k) + kActPad) * 64 + 131072, kFloatBlock);
}

}  // namespace kedge::kernels

namespace kedge::kernels::reference {

namespace {

template <class F>
float dot_float(const typename F::Block* w, const float* x, int k) {
  float lanes[16] = {};
  const int padded = (k + 15) / 16 * 16;
  for (int i = 0; i < padded; ++i) {
    const float wi = i < k ? F::to_float(w[i]) : 0.0f;
    const float xi = i < k ? x[i] : 0.0f;
    lanes[i % 16] = std::fma(wi, xi, lanes[i % 16]);
  }
  return tree16(lanes);
}

template <class F>
float dot_block32(const typename F::Block* w, const int8_t* q, const float* d, const int16_t* sums32, int k) {
  float acc = 0.0f;
  for (int b = 0; b < k / 32; ++b) {
    uint8_t u[32];
    quants::unpack32<F>(w, b, u);
    constexpr int kOfScale = quants::scale_values<F>();
    for (int j = 0; j < 32 / kOfScale; ++j) {
      int32_t isum = 0;
      for (int i = j * kOfScale; i < (j + 1) * kOfScale; ++i) isum += (u[i] - F::kZero) * q[b * 32 + i];
      acc = std::fma(static_cast<float>(isum), quants::scale32<F>(w, b, j) * d[b], acc);
    }
    if constexpr (F::kHasMin) acc = std::fma(static_cast<float>(sums32[b]), quants::minimum<F>(w[b]) * d[b], acc);
  }
  return acc;
}

template <class F>
float dot_super256(const typename F::Block* w, const int8_t* q, const float* d, const int16_t* sums16, int k) {
  constexpr int kSubs = 256 / F::kSub;
  float acc = 0.0f;
  for (int b = 0; b < k / 256; ++b) {
    uint8_t u[256];
    int8_t sc[kSubs];
    F::unpack(w[b], u);
    F::scales(w[b], sc);
    int32_t isum = 0;
    for (int i = 0; i < 256; ++i) isum += sc[i / F::kSub] * ((u[i] - F::kZero) * q[b * 256 + i]);
    acc = std::fma(static_cast<float>(isum), quants::scale<F>(w[b]) * d[b], acc);
    if constexpr (F::kHasMin) {
      uint8_t mn[kSubs];
      F::mins(w[b], mn);
      int32_t msum = 0;
      for (int i = 0; i < 16; ++i) msum += mn[i * 16 / F::kSub] * sums16[b * 16 + i];
      acc = std::fma(static_cast<float>(msum), -(quants::minimum<F>(w[b]) * d[b]), acc);
    }
  }
  return acc;
}

template <class F>
void matmul_rows(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte*) noexcept {
  const auto k = static_cast<size_t>(x.k);
  for (int r = 0; r < w.n_rows; ++r) {
    const auto* row = reinterpret_cast<const typename F::Block*>(w.data + static_cast<size_t>(r) * w.stride);
    for (int i = 0; i < x.n; ++i) {
      const auto a = static_cast<size_t>(i);
      float& out = y[static_cast<size_t>(i) * ldy + static_cast<size_t>(r)];
      if constexpr (F::kFamily == QuantFamily::kFloat) {
        out = dot_float<F>(row, x.x + a * k, x.k);
      } else if constexpr (F::kFamily == QuantFamily::kBlock32) {
        out = dot_block32<F>(row, x.q + a * x.row_pitch(), x.d + a * k / 32, x.sums32 + a * k / 32, x.k);
      } else {
        out = dot_super256<F>(row, x.q + a * x.row_pitch(), x.d + a * k / 256, x.sums16 + a * k / 16, x.k);
      }
    }
  }
}

constexpr MatmulFn kMatmul[] = {
#define KEDGE_ENTRY(name) &matmul_rows<quants::name::Format>,
#include "registry/quants.inc"
#undef KEDGE_ENTRY
};

}  // namespace

MatmulFn matmul(int format_index) { return kMatmul[format_index]; }

}  // namespace kedge::kernels::reference
