// The arithmetic of kernels/fast_numerics.h by the book, and products of bfloat16 for float weights.
#include "kernels/fast_numerics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/reference.h"
#include "registry/quants_headers.inc"

namespace kedge::kernels::reference {

namespace {

// 256 values of one row as bytes and their scale.
struct FastBlock {
  float d;
  int8_t w[256];
};

// What the sub-blocks of 256 values are made of, in the file's layout.
template <class F>
struct SubBlocks {
  float scale[16];
  float offset[16];
  uint8_t codes[256];
};

template <class F>
SubBlocks<F> sub_blocks(const typename F::Block* w) {
  SubBlocks<F> r{};
  if constexpr (F::kFamily == QuantFamily::kBlock32) {
    constexpr int kScales = quants::kScalesOf32<F>;
    for (int j = 0; j < 8; ++j) {
      quants::unpack32<F>(w, j, r.codes + j * 32);
      for (int i = 0; i < kScales; ++i) r.scale[j * kScales + i] = quants::scale32<F>(w, j, i);
      if constexpr (F::kHasMin) r.offset[j] = quants::minimum<F>(w[j]);
    }
  } else {
    constexpr int kSubs = 256 / F::kSub;
    int8_t sc[kSubs];
    [[maybe_unused]] uint8_t mn[kSubs] = {};
    F::unpack(*w, r.codes);
    F::scales(*w, sc);
    if constexpr (F::kHasMin) F::mins(*w, mn);
    for (int j = 0; j < kSubs; ++j) {
      r.scale[j] = quants::scale<F>(*w) * static_cast<float>(sc[j]);
      if constexpr (F::kHasMin) r.offset[j] = -(quants::minimum<F>(*w) * static_cast<float>(mn[j]));
    }
  }
  return r;
}

template <class F>
FastBlock requantise(const typename F::Block* w) {
  using N = FastNumerics<F>;
  const SubBlocks<F> b = sub_blocks<F>(w);
  FastBlock r{};
  float bound = 0.0f;
  for (int j = 0; j < N::kSubs; ++j) {
    const float low = std::fma(b.scale[j], static_cast<float>(-F::kZero), b.offset[j]);
    const float high = std::fma(b.scale[j], static_cast<float>(F::kMaxCode - F::kZero), b.offset[j]);
    bound = std::max({bound, std::fabs(low), std::fabs(high)});
  }
  if (!(bound >= kFastSmallest)) return r;
  r.d = bound / N::kTop;
  const float inverse = N::kTop / bound;
  for (int j = 0; j < N::kSubs; ++j) {
    const float factor = b.scale[j] * inverse * static_cast<float>(1 << (15 - N::kShift));
    const int a = std::min(static_cast<int>(std::nearbyintf(factor)), 32767);
    const int offset = static_cast<int>(std::nearbyintf(b.offset[j] * inverse));
    constexpr int kSize = 256 / N::kSubs;
    for (int i = j * kSize; i < (j + 1) * kSize; ++i) {
      const int code = (b.codes[i] - F::kZero) * (1 << N::kShift);
      r.w[i] = static_cast<int8_t>(((code * a + 0x4000) >> 15) + offset);
    }
  }
  return r;
}

template <class F>
void matmul_quantised(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte*) noexcept {
  const auto k = static_cast<size_t>(x.k);
  constexpr size_t kPer256 = 256 / quants::kBlockValues<F>;
  for (int r = 0; r < w.n_rows; ++r) {
    const auto* row = reinterpret_cast<const typename F::Block*>(w.data + static_cast<size_t>(r) * w.stride);
    for (int i = 0; i < x.n; ++i) y[static_cast<size_t>(i) * ldy + static_cast<size_t>(r)] = 0.0f;
    for (size_t b = 0; b < k / 256; ++b) {
      const FastBlock block = requantise<F>(row + b * kPer256);
      for (int i = 0; i < x.n; ++i) {
        const int8_t* q = x.q + static_cast<size_t>(i) * x.row_pitch() + b * 256;
        int32_t isum = 0;
        for (int j = 0; j < 256; ++j) isum += block.w[j] * q[j];
        float& out = y[static_cast<size_t>(i) * ldy + static_cast<size_t>(r)];
        out = std::fma(static_cast<float>(isum), block.d * x.d[static_cast<size_t>(i) * (k / 256) + b], out);
      }
    }
  }
}

float flushed(float x) { return std::fabs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x; }

template <class F>
void matmul_float(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte*) noexcept {
  const auto k = static_cast<size_t>(x.k);
  for (int r = 0; r < w.n_rows; ++r) {
    const auto* row = reinterpret_cast<const typename F::Block*>(w.data + static_cast<size_t>(r) * w.stride);
    for (int i = 0; i < x.n; ++i) {
      const uint16_t* a = x.b16 + static_cast<size_t>(i) * x.row_pitch();
      float acc = 0.0f;
      for (size_t b = 0; b < k; b += 32) {
        float chain[2] = {};
        for (size_t j = b; j < b + 32; ++j) {
          const float wj = flushed(bf16_to_f32(f32_to_bf16_flushed(F::to_float(row[j]))));
          chain[j % 2] = flushed(std::fma(flushed(bf16_to_f32(a[j])), wj, chain[j % 2]));
        }
        acc = flushed(acc + flushed(chain[0] + chain[1]));
      }
      y[static_cast<size_t>(i) * ldy + static_cast<size_t>(r)] = acc;
    }
  }
}

template <class F>
constexpr MatmulFn fast() {
  if constexpr (F::kFamily == QuantFamily::kFloat) {
    return &matmul_float<F>;
  } else {
    return &matmul_quantised<F>;
  }
}

constexpr MatmulFn kMatmul[] = {
#define KEDGE_ENTRY(name) fast<quants::name::Format>(),
#include "registry/quants.inc"
#undef KEDGE_ENTRY
};

}  // namespace

void to_bf16(const float* x, uint16_t* y, int n) noexcept {
  for (int i = 0; i < n; ++i) y[i] = f32_to_bf16_flushed(x[i]);
}

MatmulFn matmul_fast(int format_index) { return kMatmul[format_index]; }

}  // namespace kedge::kernels::reference
