// IQ3_S (ggml): super-blocks of 256 values, four of which are a point of a set of 512 of the lattice of eight sizes 1,
// 3
// .. 15, with signs of their own; sub-blocks of 32 with a four-bit scale. value = d * (2 s + 1) * sign * size. Sizes
// are doubled here, and the scale halved, to share kernels with IQ3_XXS.
#pragma once

#include "kernels/packed_shared.h"
#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_grids.h"
#include "kernels/quant_lattice.h"

namespace kedge::kernels::quants::iq3_s {

struct Block {
  uint16_t d;
  uint8_t qs[64];  // low eight bits of points
  uint8_t qh[8];   // the ninth ones
  uint8_t signs[32];
  uint8_t scales[4];
};
static_assert(sizeof(Block) == 110);

// 31 + 2 * size, then 31 - 2 * size.
alignas(16) constexpr uint8_t kSteps[16] = {33, 37, 41, 45, 49, 53, 57, 61, 29, 25, 21, 17, 13, 9, 5, 1};

struct Format : packed_shared::Steps16 {
  using Block = iq3_s::Block;
  using PackedAs = packed_shared::Steps16;
  static constexpr const char* kName = "IQ3_S";
  static constexpr uint32_t kGgufId = 21;
  static constexpr const uint8_t* kTable = kSteps;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void scales(const Block& b, int8_t* s) {
    for (int j = 0; j < 8; ++j) s[j] = static_cast<int8_t>(2 * (b.scales[j / 2] >> (j % 2 * 4) & 15) + 1);
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
    fit_lattice(x, w, LatticeKind::kIq3S, &fit);
    *out = {};
    out->d = fit.d;
    std::memcpy(out->signs, fit.signs, 32);
    for (int j = 0; j < 8; ++j) out->scales[j / 2] |= static_cast<uint8_t>(fit.scales[j] << (j % 2 * 4));
    for (int i = 0; i < 64; ++i) {
      out->qs[i] = static_cast<uint8_t>(fit.points[i]);
      out->qh[i / 8] |= static_cast<uint8_t>(fit.points[i] >> 8 << (i % 8));
    }
  }

 private:
  KEDGE_INLINE static uint32_t signs(const Block& b, int group) { return read_u32(b.signs + 4 * group); }
  KEDGE_INLINE static void sizes(const Block& b, int group, uint32_t* digits) {
    for (int i = 0; i < 8; ++i) {
      digits[i] = four_digits(kIq3SGrid.at[b.qs[8 * group + i] | (b.qh[group] >> i & 1) << 8]);
    }
  }
};

}  // namespace kedge::kernels::quants::iq3_s
