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
// and, where they apply:
//   kTable        sixteen codes; `load` then gives indices into it, `unpack` the codes all the same
//   kScaleBf16    true: scale_bits is a bfloat16, otherwise it is half precision
//   kScaleFactor  a power of two that multiplies the scale
//   kParts        kBlock32: blocks of 32 in a block of the file; unpack(block, part, u8[32]), load<S>(block, part)
//   kScaleValues  kBlock32: 16, where every 16 values have a scale: scale_bits(block, sixteen)
//   PackedAs      another description (kernels/packed_shared.h) under which the packed codes are multiplied: formats
//                 share kernels where the integers can be brought to one form
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
constexpr int parts() {
  if constexpr (requires { F::kParts; }) return F::kParts;
  return 1;
}
template <class F>
constexpr int kBlockValues = F::kFamily == QuantFamily::kFloat     ? 1
                             : F::kFamily == QuantFamily::kBlock32 ? 32 * parts<F>()
                                                                   : 256;

// Values that share a scale (kBlock32).
template <class F>
constexpr int scale_values() {
  if constexpr (requires { F::kScaleValues; }) return F::kScaleValues;
  return 32;
}
template <class F>
constexpr int kScalesOf32 = 32 / scale_values<F>();

template <class F>
constexpr float scale_factor() {
  if constexpr (requires { F::kScaleFactor; }) return F::kScaleFactor;
  return 1.0f;
}

template <class F>
constexpr bool kBf16Scale = requires {
  F::kScaleBf16;
};

// The scale and the minimum (kSuper256: the scale of the sub-minimums) of a block.
template <class F>
KEDGE_INLINE float scale_of_bits(uint16_t bits) {
  return (kBf16Scale<F> ? bf16_to_f32(bits) : f16_to_f32(bits)) * scale_factor<F>();
}
template <class F>
KEDGE_INLINE float scale(const typename F::Block& b) {
  return scale_of_bits<F>(F::scale_bits(b));
}
template <class F>
KEDGE_INLINE float minimum(const typename F::Block& b) {
  return f16_to_f32(F::min_bits(b));
}

// Block i of 32 values of a row (kBlock32): its codes, its scale `j` and the same as codes in a vector.
template <class F>
KEDGE_INLINE void unpack32(const typename F::Block* row, int i, uint8_t* u) {
  if constexpr (requires { F::kParts; }) {
    F::unpack(row[i / F::kParts], i % F::kParts, u);
  } else {
    F::unpack(row[i], u);
  }
}
template <class F>
KEDGE_INLINE uint16_t scale_bits32(const typename F::Block* row, int i, int j) {
  const typename F::Block& b = row[i / parts<F>()];
  if constexpr (kScalesOf32 < F >> 1) {
    return F::scale_bits(b, i % parts<F>() * kScalesOf32<F> + j);
  } else {
    return F::scale_bits(b);
  }
}
template <class F>
KEDGE_INLINE float scale32(const typename F::Block* row, int i, int j = 0) {
  return scale_of_bits<F>(scale_bits32<F>(row, i, j));
}
template <class F, class S>
KEDGE_INLINE typename S::U8x32 load32(const typename F::Block* row, int i) {
  if constexpr (requires { F::kParts; }) {
    return F::template load<S>(row[i / F::kParts], i % F::kParts);
  } else {
    return F::template load<S>(row[i]);
  }
}

}  // namespace kedge::kernels::quants
