// exp and the logistic function with one definition: plain double operations in a fixed order, so the same bits on
// every IEEE machine. std::exp is not: libraries choose an implementation by CPU.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace kedge {

// e^x for |x| <= 700, within 2 ulp; outside, the value at the border. x = k ln 2 + r with |r| <= ln 2 / 2, and the
// Taylor series of e^r to degree 13, whose remainder is below 2^-56.
inline double ordered_exp(double x) {
  constexpr double kLog2e = 1.4426950408889634;
  constexpr double kLn2High = 0x1.62e42fee00000p-1;  // 33 bits: its product with k is exact
  constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  x = std::clamp(x, -700.0, 700.0);
  const double k = std::nearbyint(x * kLog2e);
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = 1;
  for (int i = 13; i > 0; --i) sum = 1 + sum * r / i;
  return sum * std::bit_cast<double>((static_cast<uint64_t>(static_cast<int64_t>(k) + 1023)) << 52);
}

// 1 / (1 + e^-x), never 0 or 1: beyond 30 it stays where it is.
inline double sigmoid(double x) { return 1 / (1 + ordered_exp(-std::clamp(x, -30.0, 30.0))); }

}  // namespace kedge
