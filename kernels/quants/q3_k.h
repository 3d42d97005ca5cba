// Q3_K (ggml): super-blocks of 256 three-bit codes; sub-blocks of 16 with a six-bit scale.
// value = (d * (s - 32)) * (q - 4). The low two bits lie as in Q2_K; bit g of hmask[l] is the third bit of value
// 32 * g + l.
#pragma once

#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::q3_k {

struct Block {
  uint8_t hmask[32];
  uint8_t qs[64];
  uint8_t scales[12];  // 16 six-bit scales: eight bytes of low nibbles, then four bytes of upper bit pairs
  uint16_t d;
};
static_assert(sizeof(Block) == 110);

struct Format {
  using Block = q3_k::Block;
  static constexpr const char* kName = "Q3_K";
  static constexpr uint32_t kGgufId = 11;
  static constexpr QuantFamily kFamily = QuantFamily::kSuper256;
  static constexpr int kZero = 4;
  static constexpr int kMaxCode = 7;
  static constexpr bool kHasMin = false;
  static constexpr int kSub = 16;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  // Scale j: low four bits in byte j % 8 (low nibble for j < 8), upper two in byte 8 + j % 4 at bit 2 * (j / 4).
  KEDGE_INLINE static void scales(const Block& b, int8_t* s) {
    const uint64_t low = read_u64(b.scales);
    const uint64_t h = read_u32(b.scales + 8);
    const uint64_t first = (h & 0x03030303u) << 4 | (h & 0x0c0c0c0cu) << 34;
    const uint64_t second = (h & 0x30303030u) | (h & 0xc0c0c0c0u) << 30;
    write_u64(s, minus32((low & 0x0f0f0f0f0f0f0f0fu) | first));
    write_u64(s + 8, minus32(((low >> 4) & 0x0f0f0f0f0f0f0f0fu) | second));
  }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int i = 0; i < 256; ++i) {
      const int low = (b.qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
      u[i] = static_cast<uint8_t>(low | ((b.hmask[i % 32] >> (i / 32)) & 1) << 2);
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int group) {
    return S::or_(move_pair<S, 0>(S::load32(b.qs + group / 4 * 32), group % 4),
                  move_bit<S, 2>(S::load32(b.hmask), group));
  }
  static void quantise(const float* x, const float* w, Block* out) {
    SuperFit fit;
    fit_super(x, w, {-4, 3}, 16, -32, 31, &fit);
    *out = {};
    out->d = fit.d;
    for (int j = 0; j < 16; ++j) {
      const int s = fit.scales[j] + 32;
      out->scales[j % 8] |= static_cast<uint8_t>((s & 15) << (j / 8 * 4));
      out->scales[8 + j % 4] |= static_cast<uint8_t>((s >> 4) << (j / 4 * 2));
    }
    for (int i = 0; i < 256; ++i) {
      const int q = fit.values[i] + 4;
      out->qs[i / 128 * 32 + i % 32] |= static_cast<uint8_t>((q & 3) << (i % 128 / 32 * 2));
      out->hmask[i % 32] |= static_cast<uint8_t>((q >> 2) << (i / 32));
    }
  }
};

}  // namespace kedge::kernels::quants::q3_k
