// MXFP4 (OCP Microscaling Formats 1.0, laid out by ggml): 32 four-bit floats (e2m1) and a shared power of two (e8m0).
// Byte i holds values i (low) and i + 16 (high). The table holds twice the e2m1 value, so the scale is half the power.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/quant_contract.h"

namespace kedge::kernels::quants::mxfp4 {

struct Block {
  uint8_t e;
  uint8_t qs[16];
};
static_assert(sizeof(Block) == 17);

// 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives, doubled, plus 12.
alignas(16) constexpr uint8_t kSteps[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

struct Format {
  using Block = mxfp4::Block;
  static constexpr const char* kName = "MXFP4";
  static constexpr uint32_t kGgufId = 39;
  static constexpr QuantFamily kFamily = QuantFamily::kBlock32;
  static constexpr int kZero = 12;
  static constexpr int kMaxCode = 24;
  static constexpr const uint8_t* kTable = kSteps;
  static constexpr bool kHasMin = false;

  // 2^(e - 128) as bfloat16, which holds it exactly; the two smallest are subnormal. 255 is NaN in the standard, but
  // 2^127 in ggml, which is followed.
  static constexpr bool kScaleBf16 = true;
  KEDGE_INLINE static uint16_t scale_bits(const Block& b) {
    const uint32_t e = b.e;
    return static_cast<uint16_t>(e < 2 ? 0x0020u << e : (e - 1) << 7);
  }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int i = 0; i < 16; ++i) {
      u[i] = kSteps[b.qs[i] & 15];
      u[i + 16] = kSteps[b.qs[i] >> 4];
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b) {
    return S::nibbles(b.qs);
  }
  // The largest magnitude a block stores is 6 * 2^(e - 127), so three exponents around that of the largest value are
  // worth trying; the smallest squared error wins.
  static void quantise(const float* x, const float* w, Block* out) {
    float largest = 0;
    for (int i = 0; i < 32; ++i) largest = std::fmax(largest, std::fabs(x[i]));
    const int centre = largest > 0 ? std::ilogb(largest) + 125 : 0;
    float best = INFINITY;
    for (int e = std::max(centre - 1, 0); e <= std::min(std::max(centre + 1, 0), 254); ++e) {
      Block b;
      b.e = static_cast<uint8_t>(e);
      const float error = quantise_with(x, w, &b);
      if (error < best) best = error, *out = b;
    }
  }

 private:
  static float quantise_with(const float* x, const float* w, Block* b) {
    constexpr float kMiddle[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};
    const float d = bf16_to_f32(scale_bits(*b));
    float error = 0;
    std::memset(b->qs, 0, 16);
    for (int i = 0; i < 32; ++i) {
      int code = 0;
      while (code < 7 && std::fabs(x[i]) > kMiddle[code] * d) ++code;
      if (code > 0 && x[i] < 0) code += 8;
      const float r = x[i] - d * static_cast<float>(kSteps[code] - kZero);
      error += (w == nullptr ? 1.0f : w[i]) * r * r;
      b->qs[i % 16] |= static_cast<uint8_t>(code << (i / 16 * 4));
    }
    return error;
  }
};

}  // namespace kedge::kernels::quants::mxfp4
