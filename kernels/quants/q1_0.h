// Q1_0 (ggml, since 2026; files before hold other blocks under this number): 128 signs and a scale. value = d where the
// bit is set, else -d.
#pragma once

#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::q1_0 {

struct Block {
  uint16_t d;
  uint8_t qs[16];
};
static_assert(sizeof(Block) == 18);

struct Format {
  using Block = q1_0::Block;
  static constexpr const char* kName = "Q1_0";
  static constexpr uint32_t kGgufId = 41;
  static constexpr QuantFamily kFamily = QuantFamily::kBlock32;
  static constexpr int kParts = 4;
  static constexpr int kBits = 1;  // codes are 0 and 2
  static constexpr int kZero = 1;
  static constexpr int kMaxCode = 2;
  static constexpr bool kHasMin = false;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void unpack(const Block& b, int part, uint8_t* u) {
    for (int i = 0; i < 32; ++i) u[i] = static_cast<uint8_t>((b.qs[4 * part + i / 8] >> (i % 8) & 1) * 2);
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int part) {
    return S::and_(S::expand_bits(read_u32(b.qs + 4 * part)), S::set1(2));
  }
  static void quantise(const float* x, const float* w, Block* out) {
    *out = {};
    out->d = fit_signs(x, w, 128);
    for (int i = 0; i < 128; ++i) out->qs[i / 8] |= static_cast<uint8_t>((x[i] < 0 ? 0 : 1) << (i % 8));
  }
};

}  // namespace kedge::kernels::quants::q1_0
