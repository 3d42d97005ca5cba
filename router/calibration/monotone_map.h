// From a logit to a probability, without changing the order of answers: Platt's sigmoid for few rows, isotonic
// regression for many.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::router {

struct MonotoneMap {
  enum class Kind { kPlatt, kIsotonic };
  Kind kind = Kind::kPlatt;
  // kPlatt: p = 1 / (1 + exp(-(slope * logit + offset))), slope >= 0.
  double slope = 1;
  double offset = 0;
  // kIsotonic: straight lines between knots, constant outside. Logits strictly ascend, values never descend and lie
  // strictly between 0 and 1.
  std::vector<double> logits;
  std::vector<double> values;

  double operator()(double logit) const noexcept;
};

// A run of rows that share one value.
struct IsotonicBlock {
  double logit = 0;  // mean of its rows
  double right = 0;  // rows with label 1
  double n = 0;
  double value() const { return right / n; }
};

// The nondecreasing step function of least squares: pool adjacent violators (Ayer et al. 1955; Barlow et al. 1972).
// Rows of one logit are one block from the start. Blocks ascend strictly in logit and in value.
std::vector<IsotonicBlock> pool_adjacent_violators(std::span<const double> logits, std::span<const uint8_t> labels);

// Knots at the blocks' centres. A block of 0 or 1 becomes (k + 1) / (n + 2) for its n rows, but does not pass its
// neighbour. At least one row.
MonotoneMap fit_isotonic(std::span<const double> logits, std::span<const uint8_t> labels);

// Platt, "Probabilistic outputs for support vector machines" (1999), with his smoothed targets. A slope that would be
// negative is 0: the rows say that the logit is no evidence. With fewer than kLeastForSlope rows right or wrong the
// slope stays 1 and only the offset is fitted: so few say nothing about a slope, and a flat one would lose all order.
// Errors: those of fit_logistic.
inline constexpr size_t kLeastForSlope = 5;
Result<MonotoneMap> fit_platt(std::span<const double> logits, std::span<const uint8_t> labels);

}  // namespace kedge::router
