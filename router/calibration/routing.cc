#include "router/calibration/routing.h"

#include <algorithm>

namespace kedge::router {
namespace {

struct Totals {
  double n = 0;
  double fast = 0;
  double deep = 0;
};

Totals totals(const Pairs& pairs, Weights weights) {
  Totals t;
  for (size_t i = 0; i < pairs.fast.size(); ++i) {
    const double w = weight_of(weights, i);
    t.n += w;
    t.fast += w * pairs.fast[i];
    t.deep += w * pairs.deep[i];
  }
  return t;
}

}  // namespace

std::vector<RoutePoint> route_curve(const Ranking& ranking, const Pairs& pairs, FastRuns runs) {
  const bool timed = !pairs.fast_cpu_s.empty() && !pairs.deep_cpu_s.empty();
  const Totals all = totals(pairs, {});
  double right = all.fast;
  double seconds = 0;
  if (timed) {
    for (const double s : pairs.fast_cpu_s) seconds += s;
  }
  std::vector<RoutePoint> curve;
  const auto add = [&](size_t escalated) {
    RoutePoint point;
    if (escalated > 0) point.threshold = ranking.score(escalated - 1);
    point.share = static_cast<double>(escalated) / all.n;
    point.quality = right / all.n;
    if (timed) point.cpu_s = seconds / all.n;
    curve.push_back(point);
  };
  add(0);
  size_t begin = 0;
  for (const size_t end : ranking.ends()) {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = ranking.order()[i];
      right += static_cast<double>(pairs.deep[row]) - static_cast<double>(pairs.fast[row]);
      if (timed) seconds += pairs.deep_cpu_s[row] - (runs == FastRuns::kAlways ? 0 : pairs.fast_cpu_s[row]);
    }
    add(end);
    begin = end;
  }
  return curve;
}

double quality_at(std::span<const RoutePoint> curve, double share) {
  for (size_t i = 1; i < curve.size(); ++i) {
    if (curve[i].share < share) continue;
    const RoutePoint& a = curve[i - 1];
    const RoutePoint& b = curve[i];
    return a.quality + (b.quality - a.quality) * (share - a.share) / (b.share - a.share);
  }
  return curve.back().quality;
}

std::optional<double> pgr(double quality, double fast, double deep) {
  if (deep <= fast) return std::nullopt;
  return (quality - fast) / (deep - fast);
}

std::optional<double> apgr(const Ranking& ranking, const Pairs& pairs, Weights weights) {
  const Totals all = totals(pairs, weights);
  if (all.deep <= all.fast) return std::nullopt;
  double gained = 0;
  double area = 0;
  size_t begin = 0;
  for (const size_t end : ranking.ends()) {
    const double before = gained;
    double n = 0;
    for (size_t i = begin; i < end; ++i) {
      const size_t row = ranking.order()[i];
      const double w = weight_of(weights, row);
      gained += w * (static_cast<double>(pairs.deep[row]) - static_cast<double>(pairs.fast[row]));
      n += w;
    }
    area += n * (before + gained) / 2;
    begin = end;
  }
  return area / all.n / (all.deep - all.fast);
}

std::optional<double> call_performance_threshold(std::span<const RoutePoint> curve, double target) {
  const double fast = curve.front().quality;
  const double deep = curve.back().quality;
  if (deep <= fast) return std::nullopt;
  const double wanted = fast + target * (deep - fast);
  for (size_t i = 1; i < curve.size(); ++i) {
    const RoutePoint& a = curve[i - 1];
    const RoutePoint& b = curve[i];
    if (b.quality < wanted) continue;
    if (b.quality == a.quality) return a.share;
    return a.share + (b.share - a.share) * (wanted - a.quality) / (b.quality - a.quality);
  }
  return 1.0;  // target 1, missed by rounding
}

std::vector<double> oracle_scores(const Pairs& pairs) {
  std::vector<double> scores;
  for (size_t i = 0; i < pairs.fast.size(); ++i) {
    scores.push_back(static_cast<double>(pairs.fast[i]) - static_cast<double>(pairs.deep[i]));
  }
  return scores;
}

Routed route_rows(std::span<const uint8_t> escalated, const Pairs& pairs, Weights weights) {
  const bool timed = !pairs.fast_cpu_s.empty() && !pairs.deep_cpu_s.empty();
  Routed routed;
  double n = 0;
  double seconds = 0;
  for (size_t i = 0; i < pairs.fast.size(); ++i) {
    const double w = weight_of(weights, i);
    n += w;
    routed.share += escalated[i] ? w : 0;
    routed.quality += w * (escalated[i] ? pairs.deep[i] : pairs.fast[i]);
    if (timed) seconds += w * (pairs.fast_cpu_s[i] + (escalated[i] ? pairs.deep_cpu_s[i] : 0));
  }
  routed.share /= n;
  routed.quality /= n;
  if (timed) routed.cpu_s = seconds / n;
  return routed;
}

}  // namespace kedge::router
