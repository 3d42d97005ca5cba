// The logistic function, with the same bits on every machine.
#pragma once

#include <algorithm>

#include "kernels/base/ordered_math.h"

namespace kedge::router {

// 1 / (1 + e^-x), never 0 or 1: beyond 30 it stays where it is.
inline double sigmoid(double x) { return 1 / (1 + ordered_exp(-std::clamp(x, -30.0, 30.0))); }

}  // namespace kedge::router
