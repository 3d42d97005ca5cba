// exp and log in plain double operations. The C library picks between variants at run time (with and without fma) whose
// last bits differ; a draw must not depend on the machine.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/base/rooms.h"

namespace kedge::engine {

// e^x for x <= 709; relative error below 1e-15; 0 where the result would be subnormal. NaN is not expected.
inline double stable_exp(double x) {
  if (x < -708.0) return 0.0;
  const double n = std::floor(x * 1.4426950408889634 + 0.5);
  const double r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;  // |r| <= ln 2 / 2
  double p = 1.0;
  for (int k = 13; k >= 1; --k) p = 1.0 + p * r / k;  // the Taylor series; the next term is below 5e-18
  return p * std::bit_cast<double>(static_cast<uint64_t>(static_cast<int64_t>(n) + 1023) << 52);
}

// Natural logarithm of a positive normal number; relative error below 1e-15 (absolute near 1).
inline double stable_log(double x) {
  auto bits = std::bit_cast<uint64_t>(x);
  auto exponent = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);  // [1, 2)
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double f = (m - 1.0) / (m + 1.0);  // log m = 2 atanh f, |f| <= 0.1716
  const double f2 = f * f;
  double s = 0.0;
  for (int k = 23; k >= 1; k -= 2) s = s * f2 + 1.0 / k;
  return 2.0 * f * s + exponent * 1.90821492927058770002e-10 + exponent * 0.693147180369123816490;
}

}  // namespace kedge::engine
