// TQ2_0 (ggml): 256 ternary values in two bits and a scale. value = d * (q - 1). Byte l of the 32 for each half holds
// values l, l + 32, l + 64, l + 96 of it, from the low bits up.
#pragma once

#include "kernels/packed_shared.h"
#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::tq2_0 {

struct Block {
  uint8_t qs[64];
  uint16_t d;
};
static_assert(sizeof(Block) == 66);

struct Format : packed_shared::TwoBits {
  using Block = tq2_0::Block;
  using PackedAs = packed_shared::TwoBits;
  static constexpr const char* kName = "TQ2_0";
  static constexpr uint32_t kGgufId = 35;
  static constexpr int kParts = 8;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void unpack(const Block& b, int part, uint8_t* u) {
    for (int i = 0; i < 32; ++i) u[i] = b.qs[part / 4 * 32 + i] >> (part % 4 * 2) & 3;
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int part) {
    return move_pair<S, 0>(S::load32(b.qs + part / 4 * 32), part % 4);
  }
  static void quantise(const float* x, const float* w, Block* out) {
    int8_t v[256];
    *out = {};
    out->d = fit_block(x, w, {-1, 1}, v, 256);
    for (int i = 0; i < 256; ++i) {
      out->qs[i / 128 * 32 + i % 32] |= static_cast<uint8_t>((v[i] + 1) << (i % 128 / 32 * 2));
    }
  }
};

}  // namespace kedge::kernels::quants::tq2_0
