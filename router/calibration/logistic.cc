#include "router/calibration/logistic.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "router/calibration/sigmoid.h"

namespace kedge::router {
namespace {

constexpr double kLambdas[] = {1e-4, 1e-3, 1e-2, 1e-1, 1};
constexpr int kMaxSteps = 100;
constexpr double kSmallGradient = 1e-10;
constexpr double kGradientLimit = 1e-6;

// Log loss of a logit for a target between 0 and 1, without overflow.
double loss_of(double logit, double target) {
  return std::max(logit, 0.0) - logit * target + std::log1p(std::exp(-std::abs(logit)));
}

void standardise(const LogisticData& data, LogisticModel& model) {
  const size_t d = data.n_features;
  const auto n = static_cast<double>(data.n());
  model.mean.assign(d, 0);
  model.scale.assign(d, 0);
  for (size_t i = 0; i < data.n(); ++i) {
    for (size_t j = 0; j < d; ++j) model.mean[j] += data.row(i)[j] / n;
  }
  for (size_t i = 0; i < data.n(); ++i) {
    for (size_t j = 0; j < d; ++j) model.scale[j] += std::pow(data.row(i)[j] - model.mean[j], 2) / n;
  }
  for (size_t j = 0; j < d; ++j) {
    model.scale[j] = std::sqrt(model.scale[j]);
    // Rounding leaves a constant feature a scale of 1e-17 rather than 0.
    if (!(model.scale[j] > 1e-12 * std::max(1.0, std::abs(model.mean[j])))) model.scale[j] = 1;
  }
}

// The objective around the standardised rows; the last parameter is the bias.
class Objective {
 public:
  Objective(const LogisticData& data, const LogisticModel& model, double lambda) {
    const auto n = static_cast<Eigen::Index>(data.n());
    const auto d = static_cast<Eigen::Index>(data.n_features);
    rows_.resize(n, d + 1);
    targets_.resize(n);
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto row = data.row(static_cast<size_t>(i));
      for (Eigen::Index j = 0; j < d; ++j) {
        const auto k = static_cast<size_t>(j);
        rows_(i, j) = (row[k] - model.mean[k]) / model.scale[k];
      }
      rows_(i, d) = 1;
      targets_(i) = data.targets[static_cast<size_t>(i)];
    }
    penalty_ = Eigen::VectorXd::Constant(d + 1, lambda);
    penalty_(d) = 0;
  }

  double value(const Eigen::VectorXd& theta) const {
    const Eigen::VectorXd logits = rows_ * theta;
    double sum = 0;
    for (Eigen::Index i = 0; i < logits.size(); ++i) sum += loss_of(logits(i), targets_(i));
    return sum / static_cast<double>(rows_.rows()) + 0.5 * penalty_.dot(theta.cwiseProduct(theta));
  }

  // Gradient and the Newton step, which is a direction of descent: the Hessian is positive definite.
  void newton(const Eigen::VectorXd& theta, Eigen::VectorXd& gradient, Eigen::VectorXd& step) const {
    const auto n = static_cast<double>(rows_.rows());
    const Eigen::VectorXd logits = rows_ * theta;
    Eigen::VectorXd p(logits.size());
    for (Eigen::Index i = 0; i < p.size(); ++i) p(i) = sigmoid(logits(i));
    gradient = rows_.transpose() * (p - targets_) / n + penalty_.cwiseProduct(theta);
    const Eigen::VectorXd curvature = p.cwiseProduct(Eigen::VectorXd::Ones(p.size()) - p) / n;
    Eigen::MatrixXd hessian = rows_.transpose() * curvature.asDiagonal() * rows_;
    hessian.diagonal() += penalty_;
    hessian.diagonal().array() += 1e-14;  // the bias has no penalty, and saturated rows no curvature
    step = -hessian.ldlt().solve(gradient);
  }

 private:
  Eigen::MatrixXd rows_;
  Eigen::VectorXd targets_;
  Eigen::VectorXd penalty_;
};

// True when all targets are 0 or all are 1: then no finite bias is best.
bool settle_one_class(const LogisticData& data, LogisticModel& model) {
  double sum = 0;
  for (const double t : data.targets) sum += t;
  const auto n = static_cast<double>(data.n());
  if (sum > 0 && sum < n) return false;
  const double p = (sum + 1) / (n + 2);
  model.bias = std::log(p / (1 - p));
  model.one_class = true;
  return true;
}

}  // namespace

double LogisticModel::logit(std::span<const double> features) const noexcept {
  double sum = bias;
  for (size_t j = 0; j < weights.size(); ++j) sum += weights[j] * ((features[j] - mean[j]) / scale[j]);
  return sum;
}

Result<LogisticModel> fit_logistic(const LogisticData& data, double lambda) {
  if (data.n() == 0 || data.x.size() != data.n() * data.n_features) {
    return Error{ErrorCode::kInvalidArgument, "logistic regression: " + std::to_string(data.n()) + " rows with " +
                                                  std::to_string(data.x.size()) + " values"};
  }
  if (!(lambda > 0)) {
    return Error{ErrorCode::kInvalidArgument, "logistic regression: lambda = " + std::to_string(lambda) + "; over 0"};
  }
  LogisticModel model;
  standardise(data, model);
  model.weights.assign(data.n_features, 0);
  if (settle_one_class(data, model)) return model;

  const Objective objective(data, model, lambda);
  Eigen::VectorXd theta = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(data.n_features) + 1);
  Eigen::VectorXd gradient;
  Eigen::VectorXd step;
  double value = objective.value(theta);
  for (int i = 0; i < kMaxSteps; ++i) {
    objective.newton(theta, gradient, step);
    if (gradient.cwiseAbs().maxCoeff() < kSmallGradient) break;
    const double slope = gradient.dot(step);
    if (-slope < 1e-13 * std::max(1.0, value)) {  // what is left to gain is below the precision of the objective
      theta += step;
      break;
    }
    double length = 1;
    double next = objective.value(theta + step);
    while (!(next <= value + 1e-4 * length * slope) && length > 1e-12) {
      length /= 2;
      next = objective.value(theta + length * step);
    }
    if (length <= 1e-12) break;  // at the precision of the objective
    theta += length * step;
    value = next;
  }
  objective.newton(theta, gradient, step);
  if (!(gradient.cwiseAbs().maxCoeff() < kGradientLimit)) {
    return Error{ErrorCode::kInternal,
                 "logistic regression: the gradient stays at " + std::to_string(gradient.cwiseAbs().maxCoeff())};
  }
  for (size_t j = 0; j < data.n_features; ++j) model.weights[j] = theta(static_cast<Eigen::Index>(j));
  model.bias = theta(theta.size() - 1);
  return model;
}

double logistic_loss(const LogisticModel& model, const LogisticData& data) {
  double sum = 0;
  for (size_t i = 0; i < data.n(); ++i) sum += loss_of(model.logit(data.row(i)), data.targets[i]);
  return sum / static_cast<double>(data.n());
}

Result<LambdaChoice> choose_lambda(const LogisticData& data, std::span<const size_t> fold_of) {
  LambdaChoice choice;
  for (const double lambda : kLambdas) {
    double sum = 0;
    for (size_t fold = 0; fold < kFolds; ++fold) {
      LogisticData train{data.n_features, {}, {}};
      LogisticData held{data.n_features, {}, {}};
      for (size_t i = 0; i < data.n(); ++i) {
        LogisticData& part = fold_of[i] == fold ? held : train;
        part.x.insert(part.x.end(), data.row(i).begin(), data.row(i).end());
        part.targets.push_back(data.targets[i]);
      }
      if (held.n() == 0) continue;
      KEDGE_ASSIGN(model, fit_logistic(train, lambda));
      sum += logistic_loss(model, held) * static_cast<double>(held.n());
    }
    choice.grid.push_back({lambda, sum / static_cast<double>(data.n())});
  }
  const auto* best = &choice.grid[0];
  for (const auto& candidate : choice.grid) {
    if (candidate.log_loss <= best->log_loss) best = &candidate;
  }
  choice.lambda = best->lambda;
  return choice;
}

}  // namespace kedge::router
