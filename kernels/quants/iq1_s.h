// IQ1_S (ggml): super-blocks of 256 values, eight of which are a point of a set of 2048 of the lattice of -1, 0, 1; for
// each 32 values a three-bit scale and the sign of a shift of 1/8. value = d * (2 s + 1) * (digit + shift). Codes are
// eight times that.
#pragma once

#include "kernels/packed_shared.h"
#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_grids.h"
#include "kernels/quant_lattice.h"

namespace kedge::kernels::quants::iq1_s {

struct Block {
  uint16_t d;
  uint8_t qs[32];  // low eight bits of points
  uint16_t qh[8];  // per 32 values: four times the upper three, the scale, the shift's sign
};
static_assert(sizeof(Block) == 50);

// 43 + 8 * digit + 1 and one that does not occur, the same with - 1; twice.
alignas(16) constexpr uint8_t kSteps[16] = {36, 44, 52, 43, 34, 42, 50, 43, 36, 44, 52, 43, 34, 42, 50, 43};

struct Format : packed_shared::Steps8 {
  using Block = iq1_s::Block;
  using PackedAs = packed_shared::Steps8;
  static constexpr const char* kName = "IQ1_S";
  static constexpr uint32_t kGgufId = 19;
  static constexpr const uint8_t* kTable = kSteps;
  static constexpr int kSub = 32;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void scales(const Block& b, int8_t* s) {
    for (int j = 0; j < 8; ++j) s[j] = static_cast<int8_t>(2 * (b.qh[j] >> 12 & 7) + 1);
  }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int g = 0; g < 8; ++g) {
      uint64_t digits[4];
      digits_of(b, g, digits);
      const auto* digit = reinterpret_cast<const uint8_t*>(digits);
      const uint32_t shift = shifts(b, g);
      for (int i = 0; i < 32; ++i) u[32 * g + i] = kSteps[digit[i] | (shift >> i & 1) << 2];
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
    fit_lattice(x, w, LatticeKind::kIq1S, &fit);
    out->d = fit.d;
    for (int i = 0; i < 32; ++i) out->qs[i] = static_cast<uint8_t>(fit.points[i]);
    for (int j = 0; j < 8; ++j) {
      unsigned high = fit.scales[j] * 0x1000u | (fit.down[4 * j] ? 0x8000u : 0u);
      for (int i = 0; i < 4; ++i) high |= fit.points[4 * j + i] >> 8 << (3 * i);
      out->qh[j] = static_cast<uint16_t>(high);
    }
  }

 private:
  KEDGE_INLINE static uint32_t shifts(const Block& b, int group) { return b.qh[group] >> 15 != 0 ? ~0u : 0u; }
  KEDGE_INLINE static void digits_of(const Block& b, int group, uint64_t* digits) {
    for (int i = 0; i < 4; ++i) {
      digits[i] = eight_digits(kIq1SGrid.at[b.qs[4 * group + i] | (b.qh[group] >> (3 * i) & 7) << 8]);
    }
  }
};

}  // namespace kedge::kernels::quants::iq1_s
