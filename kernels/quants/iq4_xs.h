// IQ4_XS (ggml): super-blocks of 256 four-bit indices into the table of IQ4_NL; sub-blocks of 32 with a six-bit scale.
// value = (d * (s - 32)) * table[q]. Byte i of each 16 holds values i (low) and i + 16 (high) of 32.
#pragma once

#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"
#include "kernels/quants/iq4_nl.h"

namespace kedge::kernels::quants::iq4_xs {

struct Block {
  uint16_t d;
  uint8_t scales_h[2];  // upper two bits of the eight scales
  uint8_t scales_l[4];  // low four bits
  uint8_t qs[128];
};
static_assert(sizeof(Block) == 136);

struct Format {
  using Block = iq4_xs::Block;
  static constexpr const char* kName = "IQ4_XS";
  static constexpr uint32_t kGgufId = 23;
  static constexpr QuantFamily kFamily = QuantFamily::kSuper256;
  static constexpr int kZero = 128;
  static constexpr int kMaxCode = 241;
  static constexpr const uint8_t* kTable = iq4_nl::kSteps;
  static constexpr bool kHasMin = false;
  static constexpr int kSub = 32;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  // Nibbles and bit pairs are dealt out to bytes by halving: each step moves the upper half of every group up.
  KEDGE_INLINE static void scales(const Block& b, int8_t* s) {
    const uint64_t head = read_u64(&b);
    uint64_t low = head >> 32;
    low = (low | low << 16) & 0x0000ffff0000ffffu;
    low = (low | low << 8) & 0x00ff00ff00ff00ffu;
    low = (low | low << 4) & 0x0f0f0f0f0f0f0f0fu;
    uint64_t high = (head >> 16) & 0xffffu;
    high = (high | high << 24) & 0x000000ff000000ffu;
    high = (high | high << 12) & 0x000f000f000f000fu;
    high = (high | high << 6) & 0x0303030303030303u;
    write_u64(s, minus32(low | high << 4));
  }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int i = 0; i < 256; ++i) {
      const uint8_t pair = b.qs[i / 32 * 16 + i % 16];
      u[i] = iq4_nl::kSteps[i % 32 < 16 ? pair & 15 : pair >> 4];
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int group) {
    return S::nibbles(b.qs + group * 16);
  }
  static void quantise(const float* x, const float* w, Block* out) {
    SuperFit fit;
    fit_super(x, w, {-127, 113, iq4_nl::kSteps, 128}, 32, -32, 31, &fit);
    *out = {};
    out->d = fit.d;
    for (int j = 0; j < 8; ++j) {
      const int s = fit.scales[j] + 32;
      out->scales_l[j / 2] |= static_cast<uint8_t>((s & 15) << (j % 2 * 4));
      out->scales_h[j / 4] |= static_cast<uint8_t>((s >> 4) << (j % 4 * 2));
    }
    for (int i = 0; i < 128; ++i) {
      const int8_t* v = fit.values + i / 16 * 32 + i % 16;
      out->qs[i] = static_cast<uint8_t>(iq4_nl::step_index(v[0]) | iq4_nl::step_index(v[16]) << 4);
    }
  }
};

}  // namespace kedge::kernels::quants::iq4_xs
