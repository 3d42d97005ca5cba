// Labelled questions put to a pool, many at once, and what became of each.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kedge/kedge_router.hpp"
#include "tools/eval/route_rows.h"

namespace kedge::tools {

// One question under one way of asking.
struct RouteRun {
  const RouteRow* row = nullptr;
  Json answer;         // of kedge_router_ask
  bool right = false;  // what was given, or with `fast` and `deep` the draft
  double cpu_s = 0;

  bool withheld() const { return answer.value("outcome", "") == "low_confidence"; }
  bool declined() const;  // withheld, or "not found"
  bool escalated() const;
};

struct AskWays {
  std::string name;  // "fast", "deep", "routed", "grounded", "fast grounded", ...
  Json members;      // merged into each row's request
};

// In the order of `rows`; `jobs` questions at once, whose models' steps they share: a row's CPU time is its share of
// them. `done` counts.
std::vector<RouteRun> run_rows(kedge::Router& router, const std::vector<const RouteRow*>& rows, const AskWays& how,
                               int jobs, const std::function<void(size_t done, size_t total)>& done);

}  // namespace kedge::tools
