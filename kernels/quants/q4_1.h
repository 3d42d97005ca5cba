// Q4_1 (ggml): 32 four-bit codes, a scale and a minimum. value = d * q + m.
// Byte i holds values i (low) and i + 16 (high).
#pragma once

#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::q4_1 {

struct Block {
  uint16_t d;
  uint16_t m;
  uint8_t qs[16];
};
static_assert(sizeof(Block) == 20);

struct Format {
  using Block = q4_1::Block;
  static constexpr const char* kName = "Q4_1";
  static constexpr uint32_t kGgufId = 3;
  static constexpr QuantFamily kFamily = QuantFamily::kBlock32;
  static constexpr int kZero = 0;
  static constexpr int kMaxCode = 15;
  static constexpr bool kHasMin = true;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static uint16_t min_bits(const Block& b) { return b.m; }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int i = 0; i < 16; ++i) {
      u[i] = b.qs[i] & 15;
      u[i + 16] = static_cast<uint8_t>(b.qs[i] >> 4);
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b) {
    return S::nibbles(b.qs);
  }
  static void quantise(const float* x, const float* w, Block* out) {
    uint8_t q[32];
    fit_block_min(x, w, 15, &out->d, &out->m, q);
    for (int i = 0; i < 16; ++i) out->qs[i] = static_cast<uint8_t>(q[i] | q[i + 16] << 4);
  }
};

}  // namespace kedge::kernels::quants::q4_1
