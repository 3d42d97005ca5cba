// exp, log, cosine and sine with one definition: plain double operations in a fixed order, so the same bits on every
// IEEE machine. Those of the C library are not: it chooses an implementation by CPU, and versions differ.
#pragma once

#include "kernels/base/rooms.h"

namespace kedge::base {

// e^x for |x| <= 700, within 2 ulp; outside, the value at the border.
double ordered_exp(double x);

// ln x of a positive, finite, normal x: within 2 ulp, or 1e-16 near 1.
double ordered_log(double x);

struct CosSin {
  double cos, sin;
};
// Within 2e-16 for |x| < 2^31.
CosSin ordered_cos_sin(double x);

}  // namespace kedge::base
