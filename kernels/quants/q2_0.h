// Q2_0 (ggml, since 2026; files before hold other blocks under this number): 64 two-bit codes and a scale.
// value = d * (q - 1). Four codes a byte, from the low bits up.
#pragma once

#include "kernels/packed_shared.h"
#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::q2_0 {

struct Block {
  uint16_t d;
  uint8_t qs[16];
};
static_assert(sizeof(Block) == 18);

struct Format : packed_shared::TwoBits {
  using Block = q2_0::Block;
  using PackedAs = packed_shared::TwoBits;
  static constexpr const char* kName = "Q2_0";
  static constexpr uint32_t kGgufId = 42;
  static constexpr int kParts = 2;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void unpack(const Block& b, int part, uint8_t* u) {
    for (int i = 0; i < 32; ++i) u[i] = b.qs[8 * part + i / 4] >> (i % 4 * 2) & 3;
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int part) {
    uint32_t four[8];
    for (int i = 0; i < 8; ++i) {
      const uint32_t x = b.qs[8 * part + i];
      four[i] = (x | x << 6 | x << 12 | x << 18) & 0x03030303u;
    }
    return S::load32(four);
  }
  static void quantise(const float* x, const float* w, Block* out) {
    int8_t v[64];
    *out = {};
    out->d = fit_block(x, w, {-1, 2}, v, 64);
    for (int i = 0; i < 64; ++i) out->qs[i / 4] |= static_cast<uint8_t>((v[i] + 1) << (i % 4 * 2));
  }
};

}  // namespace kedge::kernels::quants::q2_0
