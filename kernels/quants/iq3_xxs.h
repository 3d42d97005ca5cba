// IQ3_XXS (ggml): super-blocks of 256 values, four of which are a point of a set of 256 of the lattice of eight sizes
// 4, 12, 20 .. 52, 62; for each 32 values 28 bits of signs, an even number in eight values, and a four-bit scale. value
// = d * (2 s + 1) / 4 * sign * size. Sizes are halved here.
#pragma once

#include "kernels/packed_shared.h"
#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_grids.h"
#include "kernels/quant_lattice.h"

namespace kedge::kernels::quants::iq3_xxs {

struct Block {
  uint16_t d;
  uint8_t qs[64];
  uint8_t signs[32];  // per 32 values: four times seven bits, and the scale above
};
static_assert(sizeof(Block) == 98);

// 31 + size / 2, then 31 - size / 2.
alignas(16) constexpr uint8_t kSteps[16] = {33, 37, 41, 45, 49, 53, 57, 62, 29, 25, 21, 17, 13, 9, 5, 0};

struct Format : packed_shared::Steps16 {
  using Block = iq3_xxs::Block;
  using PackedAs = packed_shared::Steps16;
  static constexpr const char* kName = "IQ3_XXS";
  static constexpr uint32_t kGgufId = 18;
  static constexpr const uint8_t* kTable = kSteps;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void scales(const Block& b, int8_t* s) {
    for (int j = 0; j < 8; ++j) s[j] = static_cast<int8_t>(2 * (b.signs[4 * j + 3] >> 4) + 1);
  }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int g = 0; g < 8; ++g) {
      uint32_t digits[8];
      sizes(b, g, digits);
      const auto* size = reinterpret_cast<const uint8_t*>(digits);
      const uint32_t sign = signs(b, g);
      for (int i = 0; i < 32; ++i) u[32 * g + i] = kSteps[size[i] | (sign >> i & 1) << 3];
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int group) {
    uint32_t digits[8];
    sizes(b, group, digits);
    return S::or_(S::load32(digits), S::and_(S::expand_bits(signs(b, group)), S::set1(8)));
  }
  static void quantise(const float* x, const float* w, Block* out) {
    LatticeFit fit;
    fit_lattice(x, w, LatticeKind::kIq3Xxs, &fit);
    out->d = fit.d;
    for (int i = 0; i < 64; ++i) out->qs[i] = static_cast<uint8_t>(fit.points[i]);
    for (int j = 0; j < 8; ++j)
      write_u32(out->signs + 4 * j, seven_of_eight(fit.signs[j]) | uint32_t{fit.scales[j]} << 28);
  }

 private:
  KEDGE_INLINE static uint32_t signs(const Block& b, int group) { return even_signs32(read_u32(b.signs + 4 * group)); }
  KEDGE_INLINE static void sizes(const Block& b, int group, uint32_t* digits) {
    for (int i = 0; i < 8; ++i) digits[i] = four_digits(kIq3XxsGrid.at[b.qs[8 * group + i]]);
  }
};

}  // namespace kedge::kernels::quants::iq3_xxs
