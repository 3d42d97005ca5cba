// MXFP4 (OCP Microscaling Formats 1.0, laid out by ggml): 32 four-bit floats (e2m1) and a shared power of two (e8m0).
// Byte i holds values i (low) and i + 16 (high). The table holds twice the e2m1 value, so the scale is half the power.
#pragma once

#include <bit>

#include "kernels/quant_contract.h"

namespace kedge::quants::mxfp4 {

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
  static constexpr bool kHasMin = false;

  // 2^(e - 128); the two smallest are subnormal. 255 is NaN in the standard, but 2^127 in ggml, which is followed.
  KEDGE_INLINE static float scale(const Block& b) {
    const uint32_t e = b.e;
    return std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23);
  }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int i = 0; i < 16; ++i) {
      u[i] = kSteps[b.qs[i] & 15];
      u[i + 16] = kSteps[b.qs[i] >> 4];
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b) {
    return S::lookup16(S::nibbles(b.qs), kSteps);
  }
};

}  // namespace kedge::quants::mxfp4
