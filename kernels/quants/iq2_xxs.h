// IQ2_XXS (ggml): super-blocks of 256 values, eight of which are a point of a set of 256 of the lattice of the sizes 8,
// 25, 43; for each 32 values 28 bits of signs, an even number in eight values, and a four-bit scale.
// value = d * (2 s + 1) / 8 * sign * size.
#pragma once

#include "kernels/packed_shared.h"
#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_grids.h"
#include "kernels/quant_lattice.h"

namespace kedge::kernels::quants::iq2_xxs {

struct Block {
  uint16_t d;
  uint8_t qs[64];  // per 32 values: four points, then four times seven bits of signs and the scale above
};
static_assert(sizeof(Block) == 66);

// 43 + size, then 43 - size, each of three and one that does not occur; twice.
alignas(16) constexpr uint8_t kSteps[16] = {51, 68, 86, 43, 35, 18, 0, 43, 51, 68, 86, 43, 35, 18, 0, 43};

struct Format : packed_shared::Steps8 {
  using Block = iq2_xxs::Block;
  using PackedAs = packed_shared::Steps8;
  static constexpr const char* kName = "IQ2_XXS";
  static constexpr uint32_t kGgufId = 16;
  static constexpr const uint8_t* kTable = kSteps;
  static constexpr int kSub = 32;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void scales(const Block& b, int8_t* s) {
    for (int j = 0; j < 8; ++j) s[j] = static_cast<int8_t>(2 * (b.qs[8 * j + 7] >> 4) + 1);
  }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int g = 0; g < 8; ++g) {
      uint64_t digits[4];
      sizes(b, g, digits);
      const auto* size = reinterpret_cast<const uint8_t*>(digits);
      const uint32_t sign = signs(b, g);
      for (int i = 0; i < 32; ++i) u[32 * g + i] = kSteps[size[i] | (sign >> i & 1) << 2];
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
    fit_lattice(x, w, LatticeKind::kIq2Xxs, &fit);
    out->d = fit.d;
    for (int i = 0; i < 32; ++i) out->qs[i / 4 * 8 + i % 4] = static_cast<uint8_t>(fit.points[i]);
    for (int j = 0; j < 8; ++j)
      write_u32(out->qs + 8 * j + 4, seven_of_eight(fit.signs[j]) | uint32_t{fit.scales[j]} << 28);
  }

 private:
  KEDGE_INLINE static uint32_t signs(const Block& b, int group) { return even_signs32(read_u32(b.qs + 8 * group + 4)); }
  KEDGE_INLINE static void sizes(const Block& b, int group, uint64_t* digits) {
    for (int i = 0; i < 4; ++i) digits[i] = eight_digits(kIq2XxsGrid.at[b.qs[8 * group + i]]);
  }
};

}  // namespace kedge::kernels::quants::iq2_xxs
