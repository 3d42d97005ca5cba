// One row of floats into a weight format, with what that costs.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/rooms.h"
#include "kernels/quants.h"

namespace kedge::weights {

struct RowResult {
  double squared_error = 0;
  double max_error = 0;
  bool finite = true;  // the source
  size_t clipped = 0;  // values the new type cannot hold
  float largest = 0;   // of those, and what became of it
  float became = 0;
};

// Writes `before` to `out` in `to`, whose blocks divide it. `weights`: of its values, or null. `after` (scratch of as
// many values) holds what `out` says. A row that is not finite is left out.
RowResult quantize_row(const QuantFormat& to, std::span<const float> before, const float* weights, std::byte* out,
                       std::vector<float>* after);

// Why such a row is refused; empty when it is not.
std::string row_problem(const RowResult& result, const QuantFormat& to);

}  // namespace kedge::weights
