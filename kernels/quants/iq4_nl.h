// IQ4_NL (ggml): 32 four-bit indices into a fixed table of 16 uneven steps, and a scale. value = d * table[q].
// Byte i holds values i (low) and i + 16 (high).
#pragma once

#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::iq4_nl {

struct Block {
  uint16_t d;
  uint8_t qs[16];
};
static_assert(sizeof(Block) == 18);

// The format's steps -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113, each plus 128.
alignas(16) constexpr uint8_t kSteps[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

// The code whose step is `value`.
inline int step_index(int value) {
  int i = 0;
  while (i < 15 && kSteps[i] != value + 128) ++i;
  return i;
}

struct Format {
  using Block = iq4_nl::Block;
  static constexpr const char* kName = "IQ4_NL";
  static constexpr uint32_t kGgufId = 20;
  static constexpr QuantFamily kFamily = QuantFamily::kBlock32;
  static constexpr int kZero = 128;
  static constexpr int kMaxCode = 241;
  static constexpr const uint8_t* kTable = kSteps;
  static constexpr bool kHasMin = false;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int i = 0; i < 16; ++i) {
      u[i] = kSteps[b.qs[i] & 15];
      u[i + 16] = kSteps[b.qs[i] >> 4];
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b) {
    return S::nibbles(b.qs);
  }
  static void quantise(const float* x, const float* w, Block* out) {
    int8_t v[32];
    out->d = fit_block(x, w, {-127, 113, kSteps, 128}, v);
    for (int i = 0; i < 16; ++i) out->qs[i] = static_cast<uint8_t>(step_index(v[i]) | step_index(v[i + 16]) << 4);
  }
};

}  // namespace kedge::kernels::quants::iq4_nl
