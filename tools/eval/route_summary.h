// What a router is worth: figures per task from what both models and the router said to the same questions.
#pragma once

#include <string>
#include <vector>

#include "tools/eval/route_fit.h"

namespace kedge::tools {

// Everything that was asked about one folder.
struct RouteMeasurement {
  PairedRuns pairs;                    // each model alone
  std::vector<RouteRun> routed;        // all rows, the router as it is
  std::vector<RouteRun> grounded;      // the facts, from the corpus
  std::vector<RouteRun> unanswerable;  // the facts, from a corpus without their documents
  std::vector<AskedSet> asked;         // only what is given counts
  double min_gain = 0.15;
};

// A row as kedge_route_report takes it.
Json report_row(const RouteRun& fast, const RouteRun& deep);

// {"tasks": {name: {n, fast, deep, routed, escalated, abstained, grounded, auroc, ece, apgr, accept_error, cpu_s,
// ...}}, "all": the same, "unanswerable", "verification", "overhead_ms", "curves"}.
Json summarise(const RouteMeasurement& m, int bootstrap);

// The same figures for calibrators of other seeds: what fast and deep said is judged anew, nothing is generated.
Json summarise_seeds(const RouteMeasurement& m, const std::vector<std::vector<FittedCalibrator>>& by_seed);

// A sentence: the tasks on which the deep model alone gives more right answers than the router.
std::string deep_is_better_on(const Json& summary);
std::string route_table(const Json& summary);
// An SVG document.
std::string route_plot(const std::string& heading, const Json& summary);

}  // namespace kedge::tools
