// TQ1_0 (ggml): 256 ternary values, five in a byte, and a scale. value = d * (q - 1). A byte b is the fraction b / 256
// in base 3: digit n is the integer part of 3 * frac(3^n * b / 256). Digit n of bytes 0-31 are values 32 n on, of bytes
// 32-47 values 160 + 16 n on, and of the last four (with four digits) values 240 + 4 n on.
#pragma once

#include "kernels/packed_shared.h"
#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::tq1_0 {

struct Block {
  uint8_t qs[52];
  uint16_t d;
};
static_assert(sizeof(Block) == 54);

struct Format : packed_shared::TwoBits {
  using Block = tq1_0::Block;
  using PackedAs = packed_shared::TwoBits;
  static constexpr const char* kName = "TQ1_0";
  static constexpr uint32_t kGgufId = 34;
  static constexpr int kParts = 8;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void unpack(const Block& b, int part, uint8_t* u) {
    for (int i = 0; i < 32; ++i) {
      const Place p = place(part * 32 + i);
      u[i] = digit(b.qs[p.byte], p.power);
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int part) {
    uint8_t u[32];
    unpack(b, part, u);
    return S::load32(u);
  }
  // A byte is its digits' number of 243, or one with a last digit 0, times 256 / 243, rounded up.
  static void quantise(const float* x, const float* w, Block* out) {
    int8_t v[256];
    out->d = fit_block(x, w, {-1, 1}, v, 256);
    unsigned number[52] = {};
    for (int i = 0; i < 256; ++i) {
      const Place p = place(i);
      number[p.byte] += static_cast<unsigned>(v[i] + 1) * (81 / p.power);
    }
    for (int i = 0; i < 52; ++i) out->qs[i] = static_cast<uint8_t>((number[i] * 256 + 242) / 243);
  }

 private:
  // Where value i is: its byte and the power of three that moves its digit to the front.
  struct Place {
    int byte;
    unsigned power;
  };
  KEDGE_INLINE static Place place(int i) {
    constexpr unsigned kPowers[5] = {1, 3, 9, 27, 81};
    if (i < 160) return {i % 32, kPowers[i / 32]};
    if (i < 240) return {32 + (i - 160) % 16, kPowers[(i - 160) / 16]};
    return {48 + i % 4, kPowers[(i - 240) / 4]};
  }
  KEDGE_INLINE static uint8_t digit(uint8_t byte, unsigned power) {
    return static_cast<uint8_t>((byte * power & 255) * 3 >> 8);
  }
};

}  // namespace kedge::kernels::quants::tq1_0
