// Logistic regression with an L2 penalty, on standardised features. Deterministic: one thread, fixed order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::router {

// Rows of n_features values each, and what they should give: 0, 1 or (for smoothed labels) something between.
struct LogisticData {
  size_t n_features = 0;
  std::vector<double> x;  // rows * n_features, row by row
  std::vector<double> targets;

  size_t n() const { return targets.size(); }
  std::span<const double> row(size_t i) const { return std::span(x).subspan(i * n_features, n_features); }
};

// logit = bias + sum of weights[j] * ((x[j] - mean[j]) / scale[j]).
struct LogisticModel {
  std::vector<double> mean;
  std::vector<double> scale;  // standard deviation; 1 for a feature that never changes
  std::vector<double> weights;
  double bias = 0;
  bool one_class = false;  // all targets are 0 or all are 1: the weights are 0, the bias is that of (k + 1) / (n + 2)

  double logit(std::span<const double> features) const noexcept;
};

// Minimises mean log loss + lambda / 2 * |weights|^2 (the bias is free) by Newton's method with a backtracking line
// search (Boyd and Vandenberghe, "Convex Optimization", 9.5). Errors: kInvalidArgument for no rows or lambda <= 0,
// kInternal when the gradient does not vanish.
Result<LogisticModel> fit_logistic(const LogisticData& data, double lambda);

// Mean log loss of the model on the data.
double logistic_loss(const LogisticModel& model, const LogisticData& data);

struct LambdaChoice {
  struct Candidate {
    double lambda = 0;
    double log_loss = 0;  // mean over all rows, each held out once
  };
  std::vector<Candidate> grid;
  double lambda = 0;  // the candidate of least loss; the larger of two that are equal
};

// Cross-validation over kFolds folds; fold_of[i] is the fold of row i.
inline constexpr size_t kFolds = 5;
Result<LambdaChoice> choose_lambda(const LogisticData& data, std::span<const size_t> fold_of);

}  // namespace kedge::router
