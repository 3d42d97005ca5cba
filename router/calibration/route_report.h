// What a confidence and a router are worth on rows whose answers are known: the report of kedge_route_report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"
#include "router/calibration/observation.h"

namespace kedge::router {

struct RouteReportOptions {
  // For rows without a threshold of their own; infinity accepts nothing.
  std::optional<double> tau;
  size_t bootstrap = 2000;  // resamples; 0: no intervals
  uint64_t seed = 0;
  std::vector<double> shares = {0.1, 0.2, 0.3, 0.5};  // where quality is given
  size_t curve_points = 101;                          // at most; evenly spaced over the points there are
  // Routers that look at one feature, to compare with.
  struct Baseline {
    std::string name;
    std::string feature;
    bool escalate_high = false;  // which end is escalated first
  };
  std::vector<Baseline> baselines;
};

// {"all": group, "tasks": {task: group}}; docs/calibration.md describes a group.
// Errors: kInvalidArgument: members that some rows have and others do not (deep, cpu_s, gain, knn, a threshold).
Result<Json> route_report(const ObservationSet& observations, const RouteReportOptions& options);

}  // namespace kedge::router
