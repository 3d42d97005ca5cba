// Q8_0 under another name and number. For nothing but the test of additions.
#pragma once

#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::z8_0 {

struct Block {
  uint16_t d;
  int8_t qs[32];
};
static_assert(sizeof(Block) == 34);

struct Format {
  using Block = z8_0::Block;
  static constexpr const char* kName = "Z8_0";
  static constexpr uint32_t kGgufId = 90;
  static constexpr QuantFamily kFamily = QuantFamily::kBlock32;
  static constexpr int kZero = 128;
  static constexpr int kMaxCode = 255;
  static constexpr bool kHasMin = false;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int i = 0; i < 32; ++i) u[i] = static_cast<uint8_t>(b.qs[i] + 128);
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b) {
    return S::flip_sign(S::load32(b.qs));
  }
  static void quantise(const float* x, const float* w, Block* out) { out->d = fit_block(x, w, {-127, 127}, out->qs); }
};

}  // namespace kedge::kernels::quants::z8_0
