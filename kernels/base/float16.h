// Exact conversions between float32 and the 16-bit formats. Scalar; the SIMD kernels use the hardware's, which agree.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/base/inline.h"

namespace kedge::base {

// IEEE binary16 to binary32, exact (subnormals, infinities and NaN included).
KEDGE_INLINE float f16_to_f32(uint16_t h) {
#if defined(__F16C__) && !defined(__clang__)  // one instruction; clang 14 has no _Float16 on x86
  return static_cast<float>(std::bit_cast<_Float16>(h));
#else
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  const uint32_t exponent = (h >> 10) & 0x1fu;
  uint32_t mantissa = h & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
#endif
}

// binary32 to IEEE binary16, round to nearest even; overflow becomes infinity, NaN stays NaN (quiet).
KEDGE_INLINE uint16_t f32_to_f16(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t abs = bits & 0x7fffffffu;
  if (abs > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((abs >> 13) & 0x3ffu));
  if (abs >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // rounds to 65536 or more
  if (abs < 0x38800000u) {                                               // subnormal result
    const float scaled = std::bit_cast<float>(abs) + 0.5f;  // aligns the wanted bits at the bottom, rounding once
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(scaled) - 0x3f000000u));
  }
  const uint32_t rounded = abs + 0xfffu + ((abs >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

KEDGE_INLINE float bf16_to_f32(uint16_t h) { return std::bit_cast<float>(static_cast<uint32_t>(h) << 16); }

// binary32 to bfloat16, round to nearest even; NaN stays NaN (quiet).
KEDGE_INLINE uint16_t f32_to_bf16(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 64u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// The same, with subnormal numbers taken as zero.
KEDGE_INLINE uint16_t f32_to_bf16_flushed(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  if ((bits & 0x7f800000u) == 0) return static_cast<uint16_t>((bits >> 16) & 0x8000u);
  return f32_to_bf16(f);
}

}  // namespace kedge::base
