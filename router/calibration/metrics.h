// How good probabilities are: do they rank, do they say what happens, what do they cost when used.
//
// A row has a score or p, a label (1: the answer is right) and a weight: how often it counts. Weights come from the
// bootstrap; an empty span is 1 everywhere. Scores are finite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace kedge::router {

using Labels = std::span<const uint8_t>;
using Weights = std::span<const double>;

inline double weight_of(Weights weights, size_t row) { return weights.empty() ? 1 : weights[row]; }

// Rows by ascending score, once for all that is computed from an order. Rows of one score are a group.
class Ranking {
 public:
  explicit Ranking(std::span<const double> scores);
  std::span<const size_t> order() const { return order_; }  // row numbers
  std::span<const size_t> ends() const { return ends_; }    // one past the last place of each group
  double score(size_t place) const { return scores_[place]; }

 private:
  std::vector<double> scores_;  // by place
  std::vector<size_t> order_;
  std::vector<size_t> ends_;
};

// Share of rows that are right. Nothing for no rows.
std::optional<double> accuracy(Labels labels, Weights weights = {});

// Chance that a right answer scores above a wrong one, ties one half (Hanley and McNeil 1982). Nothing when all labels
// are equal.
std::optional<double> auroc(const Ranking& ranking, Labels labels, Weights weights = {});
std::optional<double> auroc(std::span<const double> scores, Labels labels);

// Expected calibration error (Naeini et al. 2015): mean over bins of |share right - mean p|, weighted by rows.
inline constexpr size_t kBins = 15;
// Bins of equal width in p (Guo et al. 2017): the headline number.
double ece_equal_width(std::span<const double> p, Labels labels, Weights weights = {});
// Bins of equally many rows by p (Nguyen and O'Connor 2015); row number decides among equal p.
double ece_equal_mass(std::span<const double> p, Labels labels);

struct ReliabilityBin {
  double low = 0;  // of p: [low, high), the last one with 1
  double high = 0;
  size_t n = 0;
  double mean_p = 0;
  double accuracy = 0;
};
std::vector<ReliabilityBin> reliability_bins(std::span<const double> p, Labels labels);  // kBins, of equal width

// Mean squared difference of p and label (Brier 1950).
double brier(std::span<const double> p, Labels labels);
// Mean negative log likelihood, in nats; p is kept 1e-15 away from 0 and 1.
double log_loss(std::span<const double> p, Labels labels);
// Mean over all coverages k/n of the error rate among the k highest scores (Geifman, Uziel and El-Yaniv 2019); within
// a tie, its expectation over random orders.
double aurc(const Ranking& ranking, Labels labels);

// What a threshold accepts: rows with p >= tau, each with a tau of its own.
struct Accepted {
  double n = 0;
  double errors = 0;
  std::optional<double> error_rate() const { return n > 0 ? std::optional(errors / n) : std::nullopt; }
};
Accepted accepted_answers(std::span<const double> p, std::span<const double> taus, Labels labels, Weights weights = {});

// 95 % percentile interval over resamples of the rows (Efron 1979).
struct Interval {
  double low = 0;
  double high = 0;
  size_t resamples = 0;  // those where the statistic was defined
};

// Computes any number of statistics on the same resamples of n rows, so that they are paired. `statistics` gets the
// weights and writes its values, nothing where undefined. Resample and draw are counters of Philox: the same on all
// machines. An interval is missing when fewer than half of the resamples define it.
std::vector<std::optional<Interval>> bootstrap(
    size_t n, size_t n_statistics, size_t n_resamples, uint64_t seed,
    const std::function<void(Weights, std::span<std::optional<double>>)>& statistics);

}  // namespace kedge::router
