// BF16: the upper half of an IEEE binary32, little endian.
#pragma once

#include "kernels/quant_contract.h"

namespace kedge::kernels::quants::bf16 {

using Block = uint16_t;

struct Format {
  using Block = bf16::Block;
  static constexpr const char* kName = "BF16";
  static constexpr uint32_t kGgufId = 30;
  static constexpr QuantFamily kFamily = QuantFamily::kFloat;

  KEDGE_INLINE static float to_float(Block b) { return bf16_to_f32(b); }
  template <class S>
  KEDGE_INLINE static typename S::F32x16 load16(const Block* p) {
    return S::bf16_to_f32x16(p);
  }
  static void quantise(const float* x, const float*, Block* out) { *out = f32_to_bf16(*x); }
};

}  // namespace kedge::kernels::quants::bf16
