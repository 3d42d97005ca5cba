#include "router/calibration/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "engine/philox.h"

namespace kedge::router {
namespace {

struct Bin {
  double n = 0;
  double p = 0;
  double right = 0;
};

double gap(const Bin& bin) { return std::abs(bin.right - bin.p); }

size_t bin_of(double p) {
  return std::min(kBins - 1, static_cast<size_t>(std::max(0.0, p) * static_cast<double>(kBins)));
}

}  // namespace

Ranking::Ranking(std::span<const double> scores) : order_(scores.size()) {
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::sort(order_.begin(), order_.end(),
            [&](size_t a, size_t b) { return scores[a] != scores[b] ? scores[a] < scores[b] : a < b; });
  for (size_t i = 0; i < order_.size(); ++i) {
    scores_.push_back(scores[order_[i]]);
    if (i + 1 == order_.size() || scores[order_[i + 1]] != scores_[i]) ends_.push_back(i + 1);
  }
}

std::optional<double> accuracy(Labels labels, Weights weights) {
  double right = 0;
  double n = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    n += weight_of(weights, i);
    right += labels[i] * weight_of(weights, i);
  }
  if (n <= 0) return std::nullopt;
  return right / n;
}

std::optional<double> auroc(const Ranking& ranking, Labels labels, Weights weights) {
  double right = 0;
  double wrong = 0;  // with a lower score
  double pairs = 0;
  size_t begin = 0;
  for (const size_t end : ranking.ends()) {
    double tied_right = 0;
    double tied_wrong = 0;
    for (size_t i = begin; i < end; ++i) {
      const size_t row = ranking.order()[i];
      (labels[row] ? tied_right : tied_wrong) += weight_of(weights, row);
    }
    pairs += tied_right * (wrong + tied_wrong / 2);
    right += tied_right;
    wrong += tied_wrong;
    begin = end;
  }
  if (right <= 0 || wrong <= 0) return std::nullopt;
  return pairs / (right * wrong);
}

std::optional<double> auroc(std::span<const double> scores, Labels labels) { return auroc(Ranking(scores), labels); }

double ece_equal_width(std::span<const double> p, Labels labels, Weights weights) {
  std::array<Bin, kBins> bins{};
  double n = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    Bin& bin = bins[bin_of(p[i])];
    const double w = weight_of(weights, i);
    bin.p += w * p[i];
    bin.right += w * labels[i];
    n += w;
  }
  double sum = 0;
  for (const Bin& bin : bins) sum += gap(bin);
  return n > 0 ? sum / n : 0;
}

double ece_equal_mass(std::span<const double> p, Labels labels) {
  const Ranking ranking(p);
  double sum = 0;
  for (size_t b = 0; b < kBins; ++b) {
    Bin bin;
    for (size_t i = b * p.size() / kBins; i < (b + 1) * p.size() / kBins; ++i) {
      bin.p += p[ranking.order()[i]];
      bin.right += labels[ranking.order()[i]];
    }
    sum += gap(bin);
  }
  return p.empty() ? 0 : sum / static_cast<double>(p.size());
}

std::vector<ReliabilityBin> reliability_bins(std::span<const double> p, Labels labels) {
  std::vector<ReliabilityBin> bins(kBins);
  for (size_t b = 0; b < kBins; ++b) {
    bins[b].low = static_cast<double>(b) / kBins;
    bins[b].high = static_cast<double>(b + 1) / kBins;
  }
  for (size_t i = 0; i < p.size(); ++i) {
    ReliabilityBin& bin = bins[bin_of(p[i])];
    ++bin.n;
    bin.mean_p += p[i];
    bin.accuracy += labels[i];
  }
  for (ReliabilityBin& bin : bins) {
    if (bin.n == 0) continue;
    bin.mean_p /= static_cast<double>(bin.n);
    bin.accuracy /= static_cast<double>(bin.n);
  }
  return bins;
}

double brier(std::span<const double> p, Labels labels) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += (p[i] - labels[i]) * (p[i] - labels[i]);
  return p.empty() ? 0 : sum / static_cast<double>(p.size());
}

double log_loss(std::span<const double> p, Labels labels) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double kept = std::clamp(p[i], 1e-15, 1 - 1e-15);
    sum -= labels[i] ? std::log(kept) : std::log1p(-kept);
  }
  return p.empty() ? 0 : sum / static_cast<double>(p.size());
}

double aurc(const Ranking& ranking, Labels labels) {
  double sum = 0;
  double n = 0;  // accepted, from the highest score down
  double errors = 0;
  for (size_t g = ranking.ends().size(); g-- > 0;) {
    const size_t begin = g == 0 ? 0 : ranking.ends()[g - 1];
    const size_t end = ranking.ends()[g];
    double wrong = 0;
    for (size_t i = begin; i < end; ++i) wrong += labels[ranking.order()[i]] ? 0 : 1;
    const auto tied = static_cast<double>(end - begin);
    for (size_t i = 1; i <= end - begin; ++i) {
      const auto k = static_cast<double>(i);
      sum += (errors + wrong * k / tied) / (n + k);
    }
    n += tied;
    errors += wrong;
  }
  return n > 0 ? sum / n : 0;
}

Accepted accepted_answers(std::span<const double> p, std::span<const double> taus, Labels labels, Weights weights) {
  Accepted a;
  for (size_t i = 0; i < p.size(); ++i) {
    if (!(p[i] >= taus[i])) continue;
    a.n += weight_of(weights, i);
    if (!labels[i]) a.errors += weight_of(weights, i);
  }
  return a;
}

std::vector<std::optional<Interval>> bootstrap(
    size_t n, size_t n_statistics, size_t n_resamples, uint64_t seed,
    const std::function<void(Weights, std::span<std::optional<double>>)>& statistics) {
  std::vector<std::vector<double>> values(n_statistics);
  std::vector<double> weights(n);
  std::vector<std::optional<double>> out(n_statistics);
  for (size_t r = 0; r < n_resamples; ++r) {
    std::fill(weights.begin(), weights.end(), 0.0);
    for (size_t i = 0; i < n; ++i) {
      const double u = uniform({.seed = seed, .request = r, .position = static_cast<uint32_t>(i), .stream = 0});
      ++weights[std::min(n - 1, static_cast<size_t>(u * static_cast<double>(n)))];
    }
    std::fill(out.begin(), out.end(), std::nullopt);
    statistics(weights, out);
    for (size_t s = 0; s < n_statistics; ++s) {
      if (out[s]) values[s].push_back(*out[s]);
    }
  }
  std::vector<std::optional<Interval>> intervals(n_statistics);
  for (size_t s = 0; s < n_statistics; ++s) {
    std::vector<double>& v = values[s];
    if (v.empty() || v.size() * 2 < n_resamples) continue;
    std::sort(v.begin(), v.end());
    const auto at = [&](double q) {
      return v[static_cast<size_t>(std::lround(q * static_cast<double>(v.size() - 1)))];
    };
    intervals[s] = Interval{at(0.025), at(0.975), v.size()};
  }
  return intervals;
}

}  // namespace kedge::router
