// F16: IEEE binary16, little endian.
#pragma once

#include "kernels/quant_contract.h"

namespace kedge::kernels::quants::f16 {

using Block = uint16_t;

struct Format {
  using Block = f16::Block;
  static constexpr const char* kName = "F16";
  static constexpr uint32_t kGgufId = 1;
  static constexpr QuantFamily kFamily = QuantFamily::kFloat;

  KEDGE_INLINE static float to_float(Block b) { return f16_to_f32(b); }
  template <class S>
  KEDGE_INLINE static typename S::F32x16 load16(const Block* p) {
    return S::f16_to_f32x16(p);
  }
  static void quantise(const float* x, const float*, Block* out) { *out = f32_to_f16(*x); }
};

}  // namespace kedge::kernels::quants::f16
