// What a file kernels/quants/<name>.h provides: namespace kedge::quants::<name> with `struct Block` (the bytes in the
// file) and `struct Format`:
//
//   using Block, kName, kGgufId, kFamily                       always
//   kFloat:     to_float(block); load16<S>(const Block*) -> S::F32x16
//   kBlock32:   kZero, kMaxCode, kHasMin; unpack(block, u8[32]); scale_bits(block); min_bits(block) if kHasMin;
//               load<S>(block) -> S::U8x32, the same 32 codes in a vector
//   kSuper256:  kZero, kMaxCode, kHasMin, kSub (16 or 32); unpack(block, u8[256]); scale_bits(block);
//               scales(block, i8[256/kSub]); if kHasMin: min_bits(block), mins(block, u8[256/kSub]) and kMaxSub, the
//               largest sub-scale and sub-minimum;
//               load<S>(block, group) -> S::U8x32, codes of values [32*group, 32*group + 32)
//   kTable      optional: sixteen codes; `load` then gives indices into it, `unpack` the codes all the same
//   kScaleBf16  optional, true: scale_bits is a bfloat16, otherwise it is half precision
//   quantise(const float* x, const float* weights, Block* out): one block, if Kedge writes the format
//
// Codes are unsigned bytes; kZero is what stands for zero; kMaxCode the largest code. `unpack` is the specification,
// `load` its vector twin. Values are
//   kBlock32:   scale * float(code - kZero) [+ min]
//   kSuper256:  (scale * float(sub_scale)) * float(code - kZero) [- min * float(sub_min)]
// in float32, each operation rounded: bit for bit what the format's definition (the ggml project) gives.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/base/float16.h"
#include "kernels/base/inline.h"
#include "kernels/quants.h"

namespace kedge::kernels::quants {

template <class F>
constexpr int kBlockValues = F::kFamily == QuantFamily::kFloat     ? 1
                             : F::kFamily == QuantFamily::kBlock32 ? 32
                                                                   : 256;

template <class F>
constexpr bool kBf16Scale = requires {
  F::kScaleBf16;
};

// The scale and the minimum (kSuper256: the scale of the sub-minimums) of a block.
template <class F>
KEDGE_INLINE float scale(const typename F::Block& b) {
  if constexpr (kBf16Scale<F>) return bf16_to_f32(F::scale_bits(b));
  return f16_to_f32(F::scale_bits(b));
}
template <class F>
KEDGE_INLINE float minimum(const typename F::Block& b) {
  return f16_to_f32(F::min_bits(b));
}

}  // namespace kedge::kernels::quants
