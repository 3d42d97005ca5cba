// Q5_K (ggml): super-blocks of 256 five-bit codes; sub-blocks of 32 with a six-bit scale and a six-bit minimum.
// value = (d * scale) * q - dmin * min. The low four bits lie as in Q4_K; bit g of qh[l] is the fifth bit of value
// 32*g + l.
#pragma once

#include "kernels/quant_bits.h"
#include "kernels/quant_contract.h"
#include "kernels/quant_search.h"

namespace kedge::kernels::quants::q5_k {

struct Block {
  uint16_t d;
  uint16_t dmin;
  uint8_t scales[12];  // see six_bit_scales
  uint8_t qh[32];
  uint8_t qs[128];
};
static_assert(sizeof(Block) == 176);

struct Format {
  using Block = q5_k::Block;
  static constexpr const char* kName = "Q5_K";
  static constexpr uint32_t kGgufId = 13;
  static constexpr QuantFamily kFamily = QuantFamily::kSuper256;
  static constexpr int kZero = 0;
  static constexpr int kMaxCode = 31;
  static constexpr bool kHasMin = true;
  static constexpr int kSub = 32;
  static constexpr int kMaxSub = 63;

  KEDGE_INLINE static uint16_t scale_bits(const Block& b) { return b.d; }
  KEDGE_INLINE static uint16_t min_bits(const Block& b) { return b.dmin; }
  KEDGE_INLINE static void scales(const Block& b, int8_t* s) { write_u64(s, six_bit_scales(b.scales)); }
  KEDGE_INLINE static void mins(const Block& b, uint8_t* m) { write_u64(m, six_bit_mins(b.scales)); }
  KEDGE_INLINE static void unpack(const Block& b, uint8_t* u) {
    for (int i = 0; i < 256; ++i) {
      const uint8_t pair = b.qs[i / 64 * 32 + i % 32];
      const int low = i % 64 < 32 ? pair & 15 : pair >> 4;
      u[i] = static_cast<uint8_t>(low | ((b.qh[i % 32] >> (i / 32)) & 1) << 4);
    }
  }
  template <class S>
  KEDGE_INLINE static typename S::U8x32 load(const Block& b, int group) {
    const auto pairs = S::load32(b.qs + group / 2 * 32);
    const auto fifth = move_bit<S, 4>(S::load32(b.qh), group);
    return S::or_(group % 2 == 0 ? S::low4(pairs) : S::high4(pairs), fifth);
  }
  static void quantise(const float* x, const float* w, Block* out) {
    SuperFit fit;
    fit_super_min(x, w, 31, 32, 63, &fit);
    *out = {};
    out->d = fit.d;
    out->dmin = fit.dmin;
    pack_six_bit(reinterpret_cast<const uint8_t*>(fit.scales), fit.mins, out->scales);
    for (int i = 0; i < 256; ++i) {
      out->qs[i / 64 * 32 + i % 32] |= static_cast<uint8_t>((fit.values[i] & 15) << (i % 64 / 32 * 4));
      out->qh[i % 32] |= static_cast<uint8_t>((fit.values[i] >> 4) << (i / 32));
    }
  }
};

}  // namespace kedge::kernels::quants::q5_k
