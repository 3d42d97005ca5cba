// A threshold on p whose accepted answers are wrong at most with rate alpha, with confidence 1 - delta.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace kedge::router {

// P(X <= k) for X ~ Binomial(n, p), exact up to rounding. 0 <= p <= 1.
double binomial_cdf(size_t k, size_t n, double p);

// One-sided bounds on a rate of which `errors` of `n` were seen, each with confidence 1 - delta (Clopper and Pearson
// 1934). No rows: 1 and 0.
double clopper_pearson_upper(size_t errors, size_t n, double delta);
double clopper_pearson_lower(size_t errors, size_t n, double delta);

// Fewest rows without an error that show a rate of at most alpha with confidence 1 - delta.
size_t least_rows(double alpha, double delta);

// The least p of an answer that may be given. A threshold bounds the rate of errors among all accepted answers, which
// many certain ones can pay for; one answer by itself may not be wrong more than four times as likely as was asked for,
// and never more likely than right.
inline double risk_floor(double alpha) { return alpha < 0.125 ? 1 - 4 * alpha : 0.5; }

struct RiskThreshold {
  double alpha = 0.10;
  double delta = 0.05;
  double tau = std::numeric_limits<double>::infinity();  // infinity accepts nothing
  size_t n = 0;                                          // rows tested on
  size_t accepted = 0;                                   // of them, with p >= tau
  size_t errors = 0;                                     // of the accepted
  double bound = 1;    // upper confidence bound on the error rate of what is accepted; 1 when nothing is
  std::string reason;  // why tau is infinity; empty otherwise

  bool accepts(double p) const { return p >= tau; }
};

// Candidates for tau, from the largest down: quantiles of p on rows that are NOT those tested on, none below
// risk_floor, which is the last. The first one should accept enough of the `n_tested` rows for a test that allows two
// errors.
std::vector<double> threshold_sequence(std::span<const double> p_elsewhere, size_t n_tested, double alpha,
                                       double delta);

// Fixed-sequence testing of Learn then Test (Angelopoulos et al. 2021, section 3 and appendix): tau goes down the
// sequence while the exact binomial test rejects "the error rate at tau is over alpha" at level delta, and stays at the
// last one rejected. The first tau of the sequence that is not safe is rejected with probability at most delta, so the
// one chosen is safe with confidence 1 - delta, over draws of the tested rows, as long as they and later questions come
// from one distribution.
RiskThreshold learn_threshold(std::span<const double> sequence, std::span<const double> p,
                              std::span<const uint8_t> correct, double alpha, double delta);

}  // namespace kedge::router
