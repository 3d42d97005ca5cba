// Q4_0 (ggml): 32 four-bit codes and a scale. value = d * (q - 8). Byte i holds values i (low) and i + 16 (high).
#pragma once

#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::q4_0 {

struct Block {
  uint16_t d;
  uint8_t qs[16];
};
static_assert(sizeof(Block) == 18);

struct Format {
  using Block = q4_0::Block;
  static constexpr const char* kName = "Q4_0";
  static constexpr uint32_t kGgufId = 2;
  static constexpr QuantFamily kFamily = QuantFamily::kBlock32;
  static constexpr int kZero = 8;
  static constexpr int kMaxCode = 15;
  static constexpr bool kHasMin = false;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
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
    int8_t v[32];
    out->d = fit_block(x, w, {-8, 7}, v);
    for (int i = 0; i < 16; ++i) out->qs[i] = static_cast<uint8_t>((v[i] + 8) | (v[i + 16] + 8) << 4);
  }
};

}  // namespace kedge::kernels::quants::q4_0
