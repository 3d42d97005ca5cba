// NVFP4 (Nvidia's four-bit floats, laid out by ggml; files before 2026 hold other blocks under this number): 64
// four-bit floats (e2m1), every 16 with a scale that is an eight-bit float (e4m3, no sign). value = scale * e2m1. Byte
// i of each eight holds values i (low) and i + 8 (high) of 16. A further factor for the whole matrix is a tensor of its
// own.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quants/mxfp4.h"

namespace kedge::kernels::quants::nvfp4 {

struct Block {
  uint8_t d[4];
  uint8_t qs[32];
};
static_assert(sizeof(Block) == 36);

struct Format {
  using Block = nvfp4::Block;
  static constexpr const char* kName = "NVFP4";
  static constexpr uint32_t kGgufId = 40;
  static constexpr QuantFamily kFamily = QuantFamily::kBlock32;
  static constexpr int kParts = 2;
  static constexpr int kScaleValues = 16;
  static constexpr int kZero = 12;
  static constexpr int kMaxCode = 24;
  static constexpr const uint8_t* kTable = mxfp4::kSteps;  // twice the e2m1 values, so half the scale
  static constexpr bool kHasMin = false;

  // Half the scale as bfloat16, which holds it exactly. 127 is NaN in the standard, but 0 in ggml, which is followed.
  static constexpr bool kScaleBf16 = true;
  KEDGE_INLINE static uint16_t scale_bits(const Block& b, int sixteen) {
    const uint32_t x = b.d[sixteen];
    if (x == 127) return 0;
    const uint32_t exponent = x >> 3 & 15;
    const uint32_t digits = (x & 7) | (exponent != 0 ? 8 : 0);
    const uint32_t power = (exponent != 0 ? exponent : 1) + 127 - 11;
    return static_cast<uint16_t>(
        std::bit_cast<uint32_t>(static_cast<float>(digits) * std::bit_cast<float>(power << 23)) >> 16);
  }
  KEDGE_INLINE static void unpack(const Block& b, int part, uint8_t* u) {
    for (int i = 0; i < 32; ++i) {
      const uint8_t pair = b.qs[16 * part + i / 16 * 8 + i % 8];
      u[i] = mxfp4::kSteps[i % 16 < 8 ? pair & 15 : pair >> 4];
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int part) {
    constexpr uint64_t kLow = 0x0f0f0f0f0f0f0f0fu;
    const uint64_t first = read_u64(b.qs + 16 * part);
    const uint64_t second = read_u64(b.qs + 16 * part + 8);
    const uint64_t eight[4] = {first & kLow, first >> 4 & kLow, second & kLow, second >> 4 & kLow};
    return S::load32(eight);
  }

  // Sixteen values by themselves: of the scales that reach from a little less than the largest value to three times it,
  // the one with the least squared error. Without a factor of the matrix the scales are 2^-9 apart below 2^-6.
  static void quantise(const float* x, const float* w, Block* out) {
    for (int j = 0; j < 4; ++j) quantise16(x + 16 * j, w == nullptr ? nullptr : w + 16 * j, j, out);
  }

 private:
  static constexpr uint8_t kMostScale = 126;  // 448; 127 is no number

  static void quantise16(const float* x, const float* w, int j, Block* out) {
    float largest = 0;
    for (int i = 0; i < 16; ++i) largest = std::fmax(largest, std::fabs(x[i]));
    double best = std::numeric_limits<double>::infinity();
    for (uint8_t d = 0; d <= kMostScale; ++d) {
      const float reach = scale_of(d) * kMostStep;
      if (reach < 0.75f * largest && d < kMostScale) continue;
      uint8_t codes[8];
      const double error = encode(x, w, scale_of(d), codes);
      if (error < best) {
        best = error;
        out->d[j] = d;
        std::memcpy(out->qs + 8 * j, codes, 8);
      }
      if (best == 0 || reach > 3 * largest) break;
    }
  }

  static constexpr float kMostStep = 12;  // kTable, doubled
  static float scale_of(uint8_t d) {
    Block b{};
    b.d[0] = d;
    return bf16_to_f32(scale_bits(b, 0));
  }
  // The nearest codes, and their weighted squared error.
  static double encode(const float* x, const float* w, float d, uint8_t* codes) {
    constexpr float kMiddle[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};
    double error = 0;
    std::memset(codes, 0, 8);
    for (int i = 0; i < 16; ++i) {
      int code = 0;
      while (code < 7 && std::fabs(x[i]) > kMiddle[code] * d) ++code;
      if (d == 0) code = 0;
      if (code > 0 && x[i] < 0) code += 8;
      const double r = static_cast<double>(x[i]) - static_cast<double>(d * static_cast<float>(kTable[code] - kZero));
      error += (w == nullptr ? 1.0 : static_cast<double>(w[i])) * r * r;
      codes[i % 8] |= static_cast<uint8_t>(code << (i / 8 * 4));
    }
    return error;
  }
};

}  // namespace kedge::kernels::quants::nvfp4
