// Q2_K (ggml): super-blocks of 256 two-bit codes; sub-blocks of 16 with a four-bit scale and a four-bit minimum.
// value = (d * scale) * q - dmin * min. Byte l of the 32 for each half holds values l, l + 32, l + 64, l + 96 of it,
// from the low bits up.
#pragma once

#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::q2_k {

struct Block {
  uint8_t scales[16];  // low nibble: scale, high nibble: minimum
  uint8_t qs[64];
  uint16_t d;
  uint16_t dmin;
};
static_assert(sizeof(Block) == 84);

struct Format {
  using Block = q2_k::Block;
  static constexpr const char* kName = "Q2_K";
  static constexpr uint32_t kGgufId = 10;
  static constexpr QuantFamily kFamily = QuantFamily::kSuper256;
  static constexpr int kZero = 0;
  static constexpr int kMaxCode = 3;
  static constexpr bool kHasMin = true;
  static constexpr int kSub = 16;
  static constexpr int kMaxSub = 15;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static uint16_t min_bits(const Block& b) { return b.dmin; }
  KEDGE_INLINE static void scales(const Block& b, int8_t* s) {
    write_u64(s, read_u64(b.scales) & 0x0f0f0f0f0f0f0f0fu);
    write_u64(s + 8, read_u64(b.scales + 8) & 0x0f0f0f0f0f0f0f0fu);
  }
  KEDGE_INLINE static void mins(const Block& b, uint8_t* m) {
    write_u64(m, (read_u64(b.scales) >> 4) & 0x0f0f0f0f0f0f0f0fu);
    write_u64(m + 8, (read_u64(b.scales + 8) >> 4) & 0x0f0f0f0f0f0f0f0fu);
  }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int i = 0; i < 256; ++i) {
      const int byte = i / 128 * 32 + i % 32;
      u[i] = static_cast<uint8_t>((b.qs[byte] >> (i % 128 / 32 * 2)) & 3);
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int group) {
    return move_pair<S, 0>(S::load32(b.qs + group / 4 * 32), group % 4);
  }
  static void quantise(const float* x, const float* w, Block* out) {
    SuperFit fit;
    fit_super_min(x, w, 3, 16, 15, &fit);
    *out = {};
    out->d = fit.d;
    out->dmin = fit.dmin;
    for (int j = 0; j < 16; ++j) out->scales[j] = static_cast<uint8_t>(fit.scales[j] | fit.mins[j] << 4);
    for (int i = 0; i < 256; ++i) {
      out->qs[i / 128 * 32 + i % 32] |= static_cast<uint8_t>(fit.values[i] << (i % 128 / 32 * 2));
    }
  }
};

}  // namespace kedge::kernels::quants::q2_k
