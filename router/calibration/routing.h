// What routing between two models is worth, on rows that both have answered: quality over the share that goes to the
// deep model. The measures are those of RouteLLM (Ong et al. 2024): PGR, its area APGR, and CPT.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "router/calibration/metrics.h"

namespace kedge::router {

struct Pairs {
  std::vector<uint8_t> fast;       // 1: the fast model's answer is right
  std::vector<uint8_t> deep;       // the same of the deep model
  std::vector<double> fast_cpu_s;  // seconds of CPU; empty: not measured
  std::vector<double> deep_cpu_s;
};

// Whether the fast model has run when a row is escalated: yes for anything that looks at its answer.
enum class FastRuns { kAlways, kOnlyWhenKept };

struct RoutePoint {
  std::optional<double> threshold;  // rows that score this or less are escalated; nothing: none is
  double share = 0;                 // escalated, of the rows
  double quality = 0;               // share of right answers
  std::optional<double> cpu_s;      // mean per row
};

// Escalating by ascending score, one point per distinct score: from (0, fast) to (1, deep). Between two points the
// curve is a straight line: a part of the tied rows, at random.
std::vector<RoutePoint> route_curve(const Ranking& ranking, const Pairs& pairs, FastRuns runs = FastRuns::kAlways);

double quality_at(std::span<const RoutePoint> curve, double share);
// Performance gap recovered: (quality - fast) / (deep - fast). Nothing when deep <= fast.
std::optional<double> pgr(double quality, double fast, double deep);
// Mean PGR over all shares from 0 to 1. Random escalation has 0.5 by construction.
std::optional<double> apgr(const Ranking& ranking, const Pairs& pairs, Weights weights = {});
// Least share at which the curve reaches this PGR (0.5 for CPT50).
std::optional<double> call_performance_threshold(std::span<const RoutePoint> curve, double target);

// The order nobody can beat: rows that only deep gets right first, those that only fast gets right last.
std::vector<double> oracle_scores(const Pairs& pairs);

// Escalating exactly the rows with escalated[i] != 0.
struct Routed {
  double share = 0;
  double quality = 0;
  std::optional<double> cpu_s;
};
Routed route_rows(std::span<const uint8_t> escalated, const Pairs& pairs, Weights weights = {});

}  // namespace kedge::router
