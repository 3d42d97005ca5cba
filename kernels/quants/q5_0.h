// Q5_0 (ggml): 32 five-bit codes and a scale. value = d * (q - 16). Byte i of qs holds the low four bits of values i
// (low nibble) and i + 16 (high nibble); bit i of qh is the fifth bit of value i.
#pragma once

#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::q5_0 {

struct Block {
  uint16_t d;
  uint8_t qh[4];
  uint8_t qs[16];
};
static_assert(sizeof(Block) == 22);

struct Format {
  using Block = q5_0::Block;
  static constexpr const char* kName = "Q5_0";
  static constexpr uint32_t kGgufId = 6;
  static constexpr QuantFamily kFamily = QuantFamily::kBlock32;
  static constexpr int kZero = 16;
  static constexpr int kMaxCode = 31;
  static constexpr bool kHasMin = false;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int i = 0; i < 32; ++i) {
      const int low = i < 16 ? b.qs[i] & 15 : b.qs[i - 16] >> 4;
      u[i] = static_cast<uint8_t>(low | ((b.qh[i / 8] >> (i % 8)) & 1) << 4);
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b) {
    return S::or_(S::nibbles(b.qs), S::and_(S::expand_bits(read_u32(b.qh)), S::set1(0x10)));
  }
  static void quantise(const float* x, const float* w, Block* out) {
    int8_t v[32];
    out->d = fit_block(x, w, {-16, 15}, v);
    std::memset(out->qh, 0, 4);
    for (int i = 0; i < 32; ++i) out->qh[i / 8] |= static_cast<uint8_t>(((v[i] + 16) >> 4) << (i % 8));
    for (int i = 0; i < 16; ++i) {
      out->qs[i] = static_cast<uint8_t>(((v[i] + 16) & 15) | ((v[i + 16] + 16) & 15) << 4);
    }
  }
};

}  // namespace kedge::kernels::quants::q5_0
