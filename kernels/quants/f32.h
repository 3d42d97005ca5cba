// F32: IEEE binary32, little endian.
#pragma once

#include "kernels/quant_contract.h"

namespace kedge::kernels::quants::f32 {

using Block = float;

struct Format {
  using Block = f32::Block;
  static constexpr const char* kName = "F32";
  static constexpr uint32_t kGgufId = 0;
  static constexpr QuantFamily kFamily = QuantFamily::kFloat;

  KEDGE_INLINE static float to_float(Block b) { return b; }
  template <class S>
  KEDGE_INLINE static typename S::F32x16 load16(const Block* p) {
    return S::F32x16::load(p);
  }
  static void quantise(const float* x, const float*, Block* out) { *out = *x; }
};

}  // namespace kedge::kernels::quants::f32
