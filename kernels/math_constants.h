// The constants of our own exp, the same in the reference and in every SIMD version.
#pragma once

#include "kernels/base/rooms.h"

namespace kedge::kernels::exp_constants {

// exp(x) = 2^n * e^r with n = round(x / ln 2); polynomial of e^r on [-ln2/2, ln2/2] (Cephes expf coefficients).
inline constexpr float kLow = -87.0f;  // below: 0
inline constexpr float kHigh = 88.0f;  // above: exp(88)
inline constexpr float kLog2e = 1.44269504088896341f;
inline constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low mantissa bits
inline constexpr float kLn2High = 0.693359375f;
inline constexpr float kLn2Low = -2.12194440e-4f;
inline constexpr float kP0 = 1.9875691500e-4f;
inline constexpr float kP1 = 1.3981999507e-3f;
inline constexpr float kP2 = 8.3334519073e-3f;
inline constexpr float kP3 = 4.1665795894e-2f;
inline constexpr float kP4 = 1.6666665459e-1f;
inline constexpr float kP5 = 5.0000001201e-1f;

}  // namespace kedge::kernels::exp_constants
