#include "router/calibration/monotone_map.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "router/calibration/logistic.h"
#include "router/calibration/sigmoid.h"

namespace kedge::router {

double MonotoneMap::operator()(double logit) const noexcept {
  if (kind == Kind::kPlatt) return sigmoid(slope * logit + offset);
  if (logit <= logits.front()) return values.front();
  if (logit >= logits.back()) return values.back();
  const auto above = static_cast<size_t>(std::upper_bound(logits.begin(), logits.end(), logit) - logits.begin());
  const double part = (logit - logits[above - 1]) / (logits[above] - logits[above - 1]);
  const double value = values[above - 1] + part * (values[above] - values[above - 1]);
  return std::min(value, values[above]);  // rounding must not turn the order round
}

std::vector<IsotonicBlock> pool_adjacent_violators(std::span<const double> logits, std::span<const uint8_t> labels) {
  std::vector<size_t> order(logits.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return logits[a] != logits[b] ? logits[a] < logits[b] : a < b; });
  const auto merge = [](IsotonicBlock& into, const IsotonicBlock& from) {
    const double n = into.n + from.n;
    into.logit = (into.logit * into.n + from.logit * from.n) / n;
    into.right += from.right;
    into.n = n;
  };
  std::vector<IsotonicBlock> blocks;
  for (size_t i = 0; i < order.size();) {
    IsotonicBlock tied{logits[order[i]], 0, 0};
    for (; i < order.size() && logits[order[i]] == tied.logit; ++i) {
      tied.right += labels[order[i]];
      ++tied.n;
    }
    blocks.push_back(tied);
    while (blocks.size() > 1 && blocks[blocks.size() - 2].value() >= blocks.back().value()) {
      merge(blocks[blocks.size() - 2], blocks.back());
      blocks.pop_back();
    }
  }
  return blocks;
}

MonotoneMap fit_isotonic(std::span<const double> logits, std::span<const uint8_t> labels) {
  const std::vector<IsotonicBlock> blocks = pool_adjacent_violators(logits, labels);
  MonotoneMap map;
  map.kind = MonotoneMap::Kind::kIsotonic;
  for (const IsotonicBlock& block : blocks) {
    // Means of disjoint runs ascend, but two may round to the same number.
    const bool collides = !map.logits.empty() && block.logit <= map.logits.back();
    map.logits.push_back(collides ? std::nextafter(map.logits.back(), INFINITY) : block.logit);
    map.values.push_back(block.value());
  }
  // Values ascend strictly, so only the first block can be 0 and only the last can be 1.
  const size_t last = blocks.size() - 1;
  const auto smoothed = [&](size_t i) { return (blocks[i].right + 1) / (blocks[i].n + 2); };
  const bool first_is_0 = map.values.front() <= 0;
  const bool last_is_1 = map.values.back() >= 1;
  if (first_is_0) map.values.front() = last > 0 ? std::min(smoothed(0), blocks[1].value()) : smoothed(0);
  if (last_is_1) map.values.back() = last > 0 ? std::max(smoothed(last), blocks[last - 1].value()) : smoothed(last);
  return map;
}

namespace {

// The offset at which the mean of p is `mean`.
double fit_offset(std::span<const double> logits, double mean) {
  double low = -1000;
  double high = 1000;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    double sum = 0;
    for (const double logit : logits) sum += sigmoid(logit + middle);
    (sum < mean * static_cast<double>(logits.size()) ? low : high) = middle;
  }
  return high;
}

}  // namespace

Result<MonotoneMap> fit_platt(std::span<const double> logits, std::span<const uint8_t> labels) {
  double n_right = 0;
  for (const uint8_t label : labels) n_right += label;
  const double n_wrong = static_cast<double>(labels.size()) - n_right;
  LogisticData data{1, {logits.begin(), logits.end()}, {}};
  double mean = 0;
  for (const uint8_t label : labels) {
    data.targets.push_back(label ? (n_right + 1) / (n_right + 2) : 1 / (n_wrong + 2));
    mean += data.targets.back() / static_cast<double>(labels.size());
  }
  MonotoneMap map;
  if (std::min(n_right, n_wrong) < kLeastForSlope) {
    map.offset = fit_offset(logits, mean);
    return map;
  }
  constexpr double kNoPenalty = 1e-9;  // only to keep a constant logit solvable
  KEDGE_ASSIGN(model, fit_logistic(data, kNoPenalty));
  map.slope = model.weights[0] / model.scale[0];
  map.offset = model.bias - map.slope * model.mean[0];
  if (map.slope <= 0) {
    map.slope = 0;
    map.offset = std::log(mean / (1 - mean));
  }
  return map;
}

}  // namespace kedge::router
