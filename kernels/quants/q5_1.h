// Q5_1 (ggml): 32 five-bit codes, a scale and a minimum. value = d * q + m. Byte i of qs holds the low four bits of
// values i (low nibble) and i + 16 (high nibble); bit i of qh is the fifth bit of value i.
#pragma once

#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::q5_1 {

struct Block {
  uint16_t d;
  uint16_t m;
  uint8_t qh[4];
  uint8_t qs[16];
};
static_assert(sizeof(Block) == 24);

struct Format {
  using Block = q5_1::Block;
  static constexpr const char* kName = "Q5_1";
  static constexpr uint32_t kGgufId = 7;
  static constexpr QuantFamily kFamily = QuantFamily::kBlock32;
  static constexpr int kZero = 0;
  static constexpr int kMaxCode = 31;
  static constexpr bool kHasMin = true;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static uint16_t min_bits(const Block& b) { return b.m; }
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
    uint8_t q[32];
    fit_block_min(x, w, 31, &out->d, &out->m, q);
    std::memset(out->qh, 0, 4);
    for (int i = 0; i < 32; ++i) out->qh[i / 8] |= static_cast<uint8_t>((q[i] >> 4) << (i % 8));
    for (int i = 0; i < 16; ++i) out->qs[i] = static_cast<uint8_t>((q[i] & 15) | (q[i + 16] & 15) << 4);
  }
};

}  // namespace kedge::kernels::quants::q5_1
