// Q6_K (ggml): super-blocks of 256 six-bit codes; sub-blocks of 16 with a signed eight-bit scale.
// value = (d * scale) * (q - 32). In each half of 128: byte l of the 64 of ql holds the low four bits of values l (low
// nibble) and l + 64 (high nibble); byte l of the 32 of qh the upper two of values l, l + 32, l + 64, l + 96, from the
// low bits up.
#pragma once

#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::q6_k {

struct Block {
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  uint16_t d;
};
static_assert(sizeof(Block) == 210);

struct Format {
  using Block = q6_k::Block;
  static constexpr const char* kName = "Q6_K";
  static constexpr uint32_t kGgufId = 14;
  static constexpr QuantFamily kFamily = QuantFamily::kSuper256;
  static constexpr int kZero = 32;
  static constexpr int kMaxCode = 63;
  static constexpr bool kHasMin = false;
  static constexpr int kSub = 16;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static void scales(const Block& b, int8_t* s) { std::memcpy(s, b.scales, 16); }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int i = 0; i < 256; ++i) {
      const int half = i / 128;
      const int l = i % 128;
      const uint8_t pair = b.ql[half * 64 + l % 64];
      const int low = l < 64 ? pair & 15 : pair >> 4;
      u[i] = static_cast<uint8_t>(low | ((b.qh[half * 32 + l % 32] >> (l / 32 * 2)) & 3) << 4);
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int group) {
    const auto pairs = S::load32(b.ql + group / 4 * 64 + group % 2 * 32);
    const auto high = move_pair<S, 4>(S::load32(b.qh + group / 4 * 32), group % 4);
    return S::or_(group % 4 < 2 ? S::low4(pairs) : S::high4(pairs), high);
  }
  static void quantise(const float* x, const float* w, Block* out) {
    SuperFit fit;
    fit_super(x, w, {-32, 31}, 16, -128, 127, &fit);
    *out = {};
    out->d = fit.d;
    std::memcpy(out->scales, fit.scales, 16);
    for (int i = 0; i < 256; ++i) {
      const int half = i / 128;
      const int l = i % 128;
      const int q = fit.values[i] + 32;
      out->ql[half * 64 + l % 64] |= static_cast<uint8_t>((q & 15) << (l / 64 * 4));
      out->qh[half * 32 + l % 32] |= static_cast<uint8_t>((q >> 4) << (l / 32 * 2));
    }
  }
};

}  // namespace kedge::kernels::quants::q6_k
