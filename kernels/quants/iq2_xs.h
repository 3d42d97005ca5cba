// IQ2_XS (ggml): super-blocks of 256 values, eight of which are a point of a set of 512 of the lattice of the sizes 8,
// 25, 43, with seven bits of signs, an even number; sub-blocks of 16 with a four-bit scale. value = d * (2 s + 1) / 8 *
// sign * size.
#pragma once

#include "kernels/packed_shared.h"
#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_grids.h"
#include "kernels/quant_lattice.h"
#include "kernels/quants/iq2_xxs.h"

namespace kedge::kernels::quants::iq2_xs {

struct Block {
  uint16_t d;
  uint16_t qs[32];  // nine bits of a point, seven of signs
  uint8_t scales[8];
};
static_assert(sizeof(Block) == 74);

struct Format : packed_shared::Steps8 {
  using Block = iq2_xs::Block;
  using PackedAs = packed_shared::Steps8;
  static constexpr const char* kName = "IQ2_XS";
  static constexpr uint32_t kGgufId = 17;
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
    fit_lattice(x, w, LatticeKind::kIq2Xs, &fit);
    *out = {};
    out->d = fit.d;
    for (int i = 0; i < 32; ++i) {
      const uint32_t seven = fit.signs[i / 4] >> (i % 4 * 8) & 127;
      out->qs[i] = static_cast<uint16_t>(fit.points[i] | seven << 9);
    }
    for (int j = 0; j < 16; ++j) out->scales[j / 2] |= static_cast<uint8_t>(fit.scales[j] << (j % 2 * 4));
  }

 private:
  KEDGE_INLINE static uint32_t signs(const Block& b, int group) {
    uint32_t all = 0;
    for (int i = 0; i < 4; ++i) all |= even_signs(b.qs[4 * group + i] >> 9) << (8 * i);
    return all;
  }
  KEDGE_INLINE static void sizes(const Block& b, int group, uint64_t* digits) {
    for (int i = 0; i < 4; ++i) digits[i] = eight_digits(kIq2XsGrid.at[b.qs[4 * group + i] & 511]);
  }
};

}  // namespace kedge::kernels::quants::iq2_xs
