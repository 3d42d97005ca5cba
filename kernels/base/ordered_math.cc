#include "kernels/base/ordered_math.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace kedge::base {
namespace {

constexpr double kLn2High = 0x1.62e42fee00000p-1;  // 33 bits: its product with a small integer is exact
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;

// pi/2 in three parts; products of the first two (22 bits each) with a 31-bit integer are exact.
constexpr double kHalfPi0 = 0x1.921fb00000000p+0;
constexpr double kHalfPi1 = 0x1.5110b00000000p-22;
constexpr double kHalfPi2 = 0x1.18469898cc517p-44;
constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;

// Of the Taylor series of cosine and sine in -r^2, each term over the one before: 1 / (i (i - 1)).
constexpr auto kStep = [] {
  std::array<double, 19> step{};
  for (int i = 2; i < 19; ++i) step[static_cast<size_t>(i)] = 1.0 / (i * (i - 1));
  return step;
}();

}  // namespace

// x = k ln 2 + r with |r| <= ln 2 / 2, and the Taylor series of e^r to degree 13, whose remainder is below 2^-56.
double ordered_exp(double x) {
  constexpr double kLog2e = 1.4426950408889634;
  x = std::clamp(x, -700.0, 700.0);
  const double k = std::nearbyint(x * kLog2e);
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = 1;
  for (int i = 13; i > 0; --i) sum = 1 + sum * r / i;
  return sum * std::bit_cast<double>((static_cast<uint64_t>(static_cast<int64_t>(k) + 1023)) << 52);
}

// x = m 2^e with m in [1/sqrt 2, sqrt 2); ln m = 2 artanh t, t = (m - 1) / (m + 1), |t| < 0.172: the series in t to
// degree 23, whose remainder is below 2^-58.
double ordered_log(double x) {
  int e = 0;
  double m = std::frexp(x, &e);
  if (m < 0.70710678118654752) {
    m *= 2;
    --e;
  }
  const double t = (m - 1) / (m + 1);
  const double t2 = t * t;
  double sum = 0;
  for (int i = 23; i >= 3; i -= 2) sum = (sum + 1.0 / i) * t2;
  return e * kLn2High + (e * kLn2Low + (2 * t * sum + 2 * t));
}

// x = k pi/2 + r with |r| <= pi/4, and Taylor series to degrees 17 and 18.
CosSin ordered_cos_sin(double x) {
  const double k = std::nearbyint(x * kTwoOverPi);
  const double r = ((x - k * kHalfPi0) - k * kHalfPi1) - k * kHalfPi2;
  const double r2 = r * r;
  double c = 1;
  double s = 1;
  for (size_t i = 18; i > 0; i -= 2) c = 1 - c * (r2 * kStep[i]);
  for (size_t i = 17; i > 1; i -= 2) s = 1 - s * (r2 * kStep[i]);
  s *= r;
  switch (static_cast<int64_t>(k) & 3) {
    case 0:
      return {c, s};
    case 1:
      return {-s, c};
    case 2:
      return {-c, -s};
    default:
      return {s, -c};
  }
}

}  // namespace kedge::base
