#include "router/calibration/risk.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace kedge::router {
namespace {

constexpr size_t kSteps = 50;
constexpr size_t kErrorsWanted = 2;  // that the first test should allow

// Do so few errors among n rows show a rate of at most alpha?
bool shows(size_t errors, size_t n, double alpha, double delta) { return binomial_cdf(errors, n, alpha) <= delta; }

std::string share_text(double x) {
  std::string text = std::to_string(x);
  return text.substr(0, text.find('.') + 4);
}

}  // namespace

double binomial_cdf(size_t k, size_t n, double p) {
  if (k >= n || p <= 0) return 1;
  if (p >= 1) return 0;
  // Terms as logarithms: (1 - p)^n is below the smallest double for a few thousand rows.
  const double log_odds = std::log(p) - std::log1p(-p);
  double log_term = static_cast<double>(n) * std::log1p(-p);
  double sum = std::exp(log_term);
  for (size_t i = 1; i <= k; ++i) {
    log_term += log_odds + std::log(static_cast<double>(n - i + 1) / static_cast<double>(i));
    sum += std::exp(log_term);
  }
  return std::min(sum, 1.0);
}

double clopper_pearson_upper(size_t errors, size_t n, double delta) {
  if (errors >= n) return 1;
  double low = 0;
  double high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (binomial_cdf(errors, n, middle) > delta ? low : high) = middle;
  }
  return high;
}

double clopper_pearson_lower(size_t errors, size_t n, double delta) {
  return errors == 0 || n == 0 ? 0 : 1 - clopper_pearson_upper(n - errors, n, delta);
}

size_t least_rows(double alpha, double delta) {
  return static_cast<size_t>(std::ceil(std::log(delta) / std::log1p(-alpha) - 1e-9));
}

std::vector<double> threshold_sequence(std::span<const double> p_elsewhere, size_t n_tested, double alpha,
                                       double delta) {
  std::vector<double> sorted(p_elsewhere.begin(), p_elsewhere.end());
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const size_t least = least_rows(alpha, delta);
  size_t wanted = least;
  while (!shows(kErrorsWanted, wanted, alpha, delta)) ++wanted;
  // A quarter more, since how many of the tested rows are accepted is chance. Of few rows at most half, unless even a
  // test without errors needs more; of many rows a tenth, since a first test on a handful fails by chance.
  const double unit = 1.25 / static_cast<double>(std::max<size_t>(n_tested, 1));
  const double some = std::min(0.5, unit * static_cast<double>(wanted));
  const double share = std::min(1.0, std::max({0.1, some, unit * static_cast<double>(least)}));
  std::vector<double> sequence;
  for (size_t step = 0; step < kSteps && !sorted.empty(); ++step) {
    const double at = share + (1 - share) * static_cast<double>(step) / kSteps;
    const auto rank = static_cast<size_t>(std::ceil(at * static_cast<double>(sorted.size())));
    const double tau = sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1];
    if (sequence.empty() || tau < sequence.back()) sequence.push_back(tau);
  }
  const double floor = risk_floor(alpha);
  while (!sequence.empty() && sequence.back() <= floor) sequence.pop_back();
  sequence.push_back(floor);
  return sequence;
}

RiskThreshold learn_threshold(std::span<const double> sequence, std::span<const double> p,
                              std::span<const uint8_t> correct, double alpha, double delta) {
  RiskThreshold best;
  best.alpha = alpha;
  best.delta = delta;
  best.n = p.size();
  for (const double tau : sequence) {
    size_t accepted = 0;
    size_t errors = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      accepted += p[i] >= tau ? 1 : 0;
      errors += p[i] >= tau && !correct[i] ? 1 : 0;
    }
    // No rows accepted test nothing, and binomial_cdf(0, 0) is 1: not shown.
    if (!shows(errors, accepted, alpha, delta)) {
      if (best.accepted > 0) break;
      best.reason = "at tau = " + share_text(tau) + ", the first tested, " + std::to_string(errors) + " of " +
                    std::to_string(accepted) + " accepted answers are wrong: the rate may be up to " +
                    share_text(clopper_pearson_upper(errors, accepted, delta)) + ", over " + share_text(alpha);
      if (p.size() < least_rows(alpha, delta)) {
        best.reason += "; at least " + std::to_string(least_rows(alpha, delta)) + " rows are needed, even all right";
      }
      break;
    }
    best.tau = tau;
    best.accepted = accepted;
    best.errors = errors;
  }
  if (best.accepted > 0) best.bound = clopper_pearson_upper(best.errors, best.accepted, delta);
  return best;
}

}  // namespace kedge::router
