// IQ1_M (ggml): super-blocks of 256 values, eight of which are a point of the set of IQ1_S with the sign of a shift of
// 1/8; sub-blocks of 16 with a three-bit scale. value = d * (2 s + 1) * (digit + shift); d lies in the upper four bits
// of the scales.
#pragma once

#include "kernels/packed_shared.h"
#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_grids.h"
#include "kernels/quant_lattice.h"
#include "kernels/quants/iq1_s.h"

namespace kedge::kernels::quants::iq1_m {

struct Block {
  uint8_t qs[32];  // low eight bits of points
  uint8_t qh[16];  // per point: the upper three and the shift's sign
  uint8_t scales[8];
};
static_assert(sizeof(Block) == 56);

struct Format : packed_shared::Steps8 {
  using Block = iq1_m::Block;
  using PackedAs = packed_shared::Steps8;
  static constexpr const char* kName = "IQ1_M";
  static constexpr uint32_t kGgufId = 29;
  static constexpr const uint8_t* kTable = iq1_s::kSteps;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) {
    const uint64_t s = read_u64(b.scales);
    return static_cast<uint16_t>((s >> 12 & 0xf) | (s >> 24 & 0xf0) | (s >> 36 & 0xf00) | (s >> 48 & 0xf000));
  }
  // Four scales of three bits in each 16.
  KEDGE_INLINE static void scales(const Block& b, int8_t* s) {
    const uint64_t all = read_u64(b.scales);
    for (int j = 0; j < 16; ++j) s[j] = static_cast<int8_t>(2 * (all >> (j / 4 * 16 + j % 4 * 3) & 7) + 1);
  }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int g = 0; g < 8; ++g) {
      uint64_t digits[4];
      digits_of(b, g, digits);
      const auto* digit = reinterpret_cast<const uint8_t*>(digits);
      const uint32_t shift = shifts(b, g);
      for (int i = 0; i < 32; ++i) u[32 * g + i] = iq1_s::kSteps[digit[i] | (shift >> i & 1) << 2];
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int group) {
    uint64_t digits[4];
    digits_of(b, group, digits);
    return S::or_(S::load32(digits), S::and_(S::expand_bits(shifts(b, group)), S::set1(4)));
  }
  static void quantise(const float* x, const float* w, Block* out) {
    LatticeFit fit;
    fit_lattice(x, w, LatticeKind::kIq1M, &fit);
    *out = {};
    for (int i = 0; i < 32; ++i) {
      out->qs[i] = static_cast<uint8_t>(fit.points[i]);
      out->qh[i / 2] |= static_cast<uint8_t>((fit.points[i] >> 8 | (fit.down[i] ? 8 : 0)) << (i % 2 * 4));
    }
    uint64_t all = 0;
    for (int j = 0; j < 16; ++j) all |= uint64_t{fit.scales[j]} << (j / 4 * 16 + j % 4 * 3);
    for (int j = 0; j < 4; ++j) all |= uint64_t{fit.d >> (4 * j) & 15u} << (16 * j + 12);
    write_u64(out->scales, all);
  }

 private:
  KEDGE_INLINE static uint32_t four_bits(const Block& b, int point) { return b.qh[point / 2] >> (point % 2 * 4) & 15; }
  KEDGE_INLINE static uint32_t shifts(const Block& b, int group) {
    uint32_t all = 0;
    for (int i = 0; i < 4; ++i) all |= (four_bits(b, 4 * group + i) >> 3) * 255u << (8 * i);
    return all;
  }
  KEDGE_INLINE static void digits_of(const Block& b, int group, uint64_t* digits) {
    for (int i = 0; i < 4; ++i) {
      const int point = 4 * group + i;
      digits[i] = eight_digits(kIq1SGrid.at[b.qs[point] | (four_bits(b, point) & 7) << 8]);
    }
  }
};

}  // namespace kedge::kernels::quants::iq1_m
