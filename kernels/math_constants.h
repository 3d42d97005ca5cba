// The constants of our own functions, the same in the reference and in every SIMD version.
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

namespace kedge::kernels::gelu_constants {

// 2 sqrt(2 / pi), and that times 0.044715.
inline constexpr float kLinear = 1.59576912161f;
inline constexpr float kCubic = 0.0713548162726f;

// Phi(-a) = exp(-a^2 / 2) t P(t) with t = 1 / (1 + kStep a), for a in [0, 13.3]: fitted to the scaled complementary
// error function, relative error 2e-8. Highest power first.
inline constexpr float kStep = 0.3f;
inline constexpr float kTail[] = {-0.02083003988f, 0.1135901277f,  -0.2310023193f, 0.195594932f,  -0.08265923993f,
                                  0.09792211956f,  0.07777295857f, 0.1103680343f,  0.1195559296f, 0.1196874958f};

}  // namespace kedge::kernels::gelu_constants

namespace kedge::kernels::log_constants {

// log(1 + e) = 2 s P(s^2) with s = e / (2 + e), for e in [0, 1]: fitted to the series of the inverse hyperbolic
// tangent, relative error 1e-10. Highest power first.
inline constexpr float kSeries[] = {0.1219695404f, 0.1069928025f, 0.143101037f, 0.1999935562f, 0.3333333951f, 1.0f};

}  // namespace kedge::kernels::log_constants
