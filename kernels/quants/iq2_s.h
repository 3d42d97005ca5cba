// IQ2_S (ggml): super-blocks of 256 values, eight of which are a point of a set of 1024 of the lattice of the sizes 8,
// 25, 43, with signs of their own; sub-blocks of 16 with a four-bit scale. value = d * (2 s + 1) / 8 * sign * size.
#pragma once

#include "kernels/packed_shared.h"
#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_grids.h"
#include "kernels/quant_lattice.h"
#include "kernels/quants/iq2_xxs.h"

namespace kedge::kernels::quants::iq2_s {

struct Block {
  uint16_t d;
  uint8_t qs[32];  // low eight bits of points
  uint8_t signs[32];
  uint8_t qh[8];  // per 32 values: four times the upper two
  uint8_t scales[8];
};
static_assert(sizeof(Block) == 82);

struct Format : packed_shared::Steps8 {
  using Block = iq2_s::Block;
  using PackedAs = packed_shared::Steps8;
  static constexpr const char* kName = "IQ2_S";
  static constexpr uint32_t kGgufId = 22;
  static constexpr const uint8_t* kTable = iq2_xxs::kSteps;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void scales(const Block& b, int8_t* s) { odd_scales(read_u64(b.scales), s); }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int g = 0; g < 8; ++g) {
      uint64_t digits[4];
      sizes(b, g, digits);
      const auto* size = reinterpret_cast<const uint8_t*>(digits);
      const uint32_t sign = signs(b, g);
      for (int i = 0; i < 32; ++i) u[32 * g + i] = iq2_xxs::kSteps[size[i] | (sign >> i & 1) << 2];
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int group) {
    uint64_t digits[4];
    sizes(b, group, digits);
    return S::or_(S::load32(digits), S::and_(S::expand_bits(signs(b, group)), S::set1(4)));
  }
  static void quantise(const float* x, const float* w, Block* out) {
    LatticeFit fit;
    fit_lattice(x, w, LatticeKind::kIq2S, &fit);
    *out = {};
    out->d = fit.d;
    std::memcpy(out->signs, fit.signs, 32);
    for (int i = 0; i < 32; ++i) {
      out->qs[i] = static_cast<uint8_t>(fit.points[i]);
      out->qh[i / 4] |= static_cast<uint8_t>(fit.points[i] >> 8 << (i % 4 * 2));
    }
    for (int j = 0; j < 16; ++j) out->scales[j / 2] |= static_cast<uint8_t>(fit.scales[j] << (j % 2 * 4));
  }

 private:
  KEDGE_INLINE static uint32_t signs(const Block& b, int group) { return read_u32(b.signs + 4 * group); }
  KEDGE_INLINE static void sizes(const Block& b, int group, uint64_t* digits) {
    for (int i = 0; i < 4; ++i) {
      digits[i] = eight_digits(kIq2SGrid.at[b.qs[4 * group + i] | (b.qh[group] >> (2 * i) & 3) << 8]);
    }
  }
};

}  // namespace kedge::kernels::quants::iq2_s
