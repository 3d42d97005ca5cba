#include "router/calibration/route_report.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "router/calibration/metrics.h"
#include "router/calibration/risk.h"
#include "router/calibration/routing.h"

namespace kedge::router {
namespace {

using Rows = std::vector<const LabelledAnswer*>;

// A number of the report that gets an interval beside it, under the same name with _interval.
struct Statistic {
  std::string at;  // JSON pointer
  std::function<std::optional<double>(Weights)> of;
};

struct Router {
  std::string name;
  Ranking ranking;  // rows of less are escalated first
  FastRuns runs;
};

// Rows of one task as the columns that metrics take.
struct Group {
  std::vector<double> p;
  std::vector<double> taus;  // empty: no thresholds
  std::vector<uint8_t> correct;
  std::vector<uint8_t> escalated;  // p < tau
  Pairs pairs;                     // deep is empty when there is no second model
  std::vector<Router> routers;     // the first one is p
};

Json number_or_null(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

// True when all rows have it, false when none has.
Result<bool> all_or_none(const ObservationSet& set, const char* member,
                         const std::function<bool(const LabelledAnswer&)>& has) {
  const bool first = has(set.rows[0]);
  for (const LabelledAnswer& row : set.rows) {
    if (has(row) != first) return invalid("row " + row.id + ": " + member + " is on some rows only");
  }
  return first;
}

struct Columns {
  bool tau = false;
  bool deep = false;
  bool fast_cpu = false;
  bool deep_cpu = false;
  bool gain = false;
  bool knn = false;
};

Result<Columns> find_columns(const ObservationSet& set, const RouteReportOptions& options) {
  Columns c;
  KEDGE_ASSIGN(tau, all_or_none(set, "tau", [&](const auto& o) { return o.tau || options.tau; }));
  KEDGE_ASSIGN(deep, all_or_none(set, "deep", [](const auto& o) { return o.deep.has_value(); }));
  KEDGE_ASSIGN(fast_cpu, all_or_none(set, "cpu_s", [](const auto& o) { return o.cpu_s.has_value(); }));
  KEDGE_ASSIGN(deep_cpu, all_or_none(set, "deep.cpu_s", [](const auto& o) { return o.deep && o.deep->cpu_s; }));
  KEDGE_ASSIGN(gain, all_or_none(set, "gain", [](const auto& o) { return o.gain.has_value(); }));
  KEDGE_ASSIGN(knn, all_or_none(set, "knn", [](const auto& o) { return o.knn.has_value(); }));
  return Columns{tau, deep, fast_cpu, deep_cpu, gain, knn};
}

void add_routers(const ObservationSet& set, const Rows& rows, const Columns& columns, const RouteReportOptions& options,
                 Group& group) {
  const auto add = [&](std::string name, FastRuns runs, const std::function<double(const LabelledAnswer&)>& score) {
    std::vector<double> scores;
    for (const LabelledAnswer* row : rows) scores.push_back(score(*row));
    group.routers.push_back({std::move(name), Ranking(scores), runs});
  };
  add("p", FastRuns::kAlways, [](const auto& o) { return *o.p; });
  if (columns.gain) add("gain", FastRuns::kAlways, [](const auto& o) { return -*o.gain; });
  if (columns.knn) add("knn", FastRuns::kOnlyWhenKept, [](const auto& o) { return *o.knn; });
  for (const auto& baseline : options.baselines) {
    const auto found = std::find(set.features.begin(), set.features.end(), baseline.feature);
    const auto j = static_cast<size_t>(found - set.features.begin());
    add(baseline.name, FastRuns::kAlways,
        [&](const auto& o) { return baseline.escalate_high ? -o.features[j] : o.features[j]; });
  }
  add("random", FastRuns::kOnlyWhenKept, [](const auto&) { return 0.0; });  // one tie: escalated in random order
  group.routers.push_back({"oracle", Ranking(oracle_scores(group.pairs)), FastRuns::kAlways});
}

Group make_group(const ObservationSet& set, const Rows& rows, const Columns& columns,
                 const RouteReportOptions& options) {
  Group group;
  for (const LabelledAnswer* row : rows) {
    group.p.push_back(*row->p);
    group.correct.push_back(row->correct ? 1 : 0);
    if (columns.tau) {
      group.taus.push_back(row->tau ? *row->tau : *options.tau);
      group.escalated.push_back(group.p.back() >= group.taus.back() ? 0 : 1);
    }
    if (columns.deep) group.pairs.deep.push_back(row->deep->correct ? 1 : 0);
    if (columns.fast_cpu) group.pairs.fast_cpu_s.push_back(*row->cpu_s);
    if (columns.deep_cpu) group.pairs.deep_cpu_s.push_back(*row->deep->cpu_s);
  }
  if (!columns.deep) return group;
  group.pairs.fast = group.correct;
  add_routers(set, rows, columns, options, group);
  return group;
}

Json confidence_json(const Group& group) {
  Json out = {{"auroc", nullptr},
              {"ece", nullptr},
              {"ece_equal_mass", ece_equal_mass(group.p, group.correct)},
              {"brier", brier(group.p, group.correct)},
              {"log_loss", log_loss(group.p, group.correct)},
              {"aurc", aurc(Ranking(group.p), group.correct)},
              {"bins", Json::array()}};
  for (const ReliabilityBin& bin : reliability_bins(group.p, group.correct)) {
    const bool empty = bin.n == 0;
    out["bins"].push_back({{"low", bin.low},
                           {"high", bin.high},
                           {"n", bin.n},
                           {"mean_p", empty ? Json() : Json(bin.mean_p)},
                           {"accuracy", empty ? Json() : Json(bin.accuracy)}});
  }
  return out;
}

Json accepted_json(const Group& group) {
  const Accepted a = accepted_answers(group.p, group.taus, group.correct);
  const auto n = static_cast<size_t>(a.n);
  const auto errors = static_cast<size_t>(a.errors);
  const auto [low, high] = std::minmax_element(group.taus.begin(), group.taus.end());
  Json out = {{"tau", *low == *high && std::isfinite(*low) ? Json(*low) : Json()},
              {"tau_varies", *low != *high},
              {"accepted", n},
              {"accepted_errors", errors},
              {"accept_error_upper_95", clopper_pearson_upper(errors, n, 0.05)}};
  if (group.pairs.deep.empty()) return out;
  const Routed routed = route_rows(group.escalated, group.pairs);
  out["cpu_s"] = number_or_null(routed.cpu_s);
  return out;
}

std::optional<double> mean_of(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

Json point_json(const RoutePoint& point) {
  return {{"threshold", number_or_null(point.threshold)},
          {"share", point.share},
          {"quality", point.quality},
          {"cpu_s", number_or_null(point.cpu_s)}};
}

Json router_json(const Router& router, const Group& group, const RouteReportOptions& options) {
  const std::vector<RoutePoint> curve = route_curve(router.ranking, group.pairs, router.runs);
  Json out = {{"name", router.name},
              {"fast_runs_first", router.runs == FastRuns::kAlways},
              {"apgr", nullptr},
              {"cpt50", number_or_null(call_performance_threshold(curve, 0.5))},
              {"cpt80", number_or_null(call_performance_threshold(curve, 0.8))},
              {"at", Json::array()}};
  for (const double share : options.shares) {
    out["at"].push_back({{"share", share}, {"quality", quality_at(curve, share)}});
  }
  return out;
}

Json routing_json(const Group& group, const RouteReportOptions& options) {
  const Pairs& pairs = group.pairs;
  const double fast = *accuracy(pairs.fast);
  const double deep = *accuracy(pairs.deep);
  Json out = {{"fast", {{"accuracy", nullptr}, {"cpu_s", number_or_null(mean_of(pairs.fast_cpu_s))}}},
              {"deep", {{"accuracy", nullptr}, {"cpu_s", number_or_null(mean_of(pairs.deep_cpu_s))}}}};
  out["no_pgr_because"] = deep > fast ? Json()
                                      : Json("deep is right on " + std::to_string(deep) + " of the rows, fast on " +
                                             std::to_string(fast) + ": there is no gap to recover");
  std::vector<uint8_t> rescued;
  for (size_t i = 0; i < pairs.fast.size(); ++i) rescued.push_back(pairs.deep[i] > pairs.fast[i] ? 1 : 0);
  const Routed oracle = route_rows(rescued, pairs);
  out["oracle"] = {{"share", oracle.share}, {"quality", oracle.quality}, {"cpu_s", number_or_null(oracle.cpu_s)}};
  out["routers"] = Json::array();
  for (const Router& router : group.routers) out["routers"].push_back(router_json(router, group, options));
  const std::vector<RoutePoint> curve = route_curve(group.routers[0].ranking, pairs);
  const size_t n = std::min(curve.size(), options.curve_points);
  out["curve"] = {{"distinct", curve.size()}, {"points", Json::array()}};
  for (size_t i = 0; i < n; ++i) {
    out["curve"]["points"].push_back(point_json(curve[n == 1 ? 0 : i * (curve.size() - 1) / (n - 1)]));
  }
  return out;
}

std::vector<Statistic> statistics_of(const Group& group, const Ranking& ranking) {
  std::vector<Statistic> list;
  const auto add = [&](std::string at, std::function<std::optional<double>(Weights)> of) {
    list.push_back({std::move(at), std::move(of)});
  };
  add("/accuracy", [&](Weights w) { return accuracy(group.correct, w); });
  add("/confidence/auroc", [&](Weights w) { return auroc(ranking, group.correct, w); });
  add("/confidence/ece", [&](Weights w) { return std::optional(ece_equal_width(group.p, group.correct, w)); });
  const bool paired = !group.pairs.deep.empty();
  if (!group.taus.empty()) {
    add("/operating/escalated_share", [&](Weights w) { return accuracy(group.escalated, w); });
    add("/operating/accept_error",
        [&](Weights w) { return accepted_answers(group.p, group.taus, group.correct, w).error_rate(); });
    if (paired) {
      add("/operating/quality",
          [&](Weights w) { return std::optional(route_rows(group.escalated, group.pairs, w).quality); });
      add("/operating/pgr", [&](Weights w) {
        return pgr(route_rows(group.escalated, group.pairs, w).quality, *accuracy(group.pairs.fast, w),
                   *accuracy(group.pairs.deep, w));
      });
    }
  }
  if (!paired) return list;
  add("/routing/fast/accuracy", [&](Weights w) { return accuracy(group.pairs.fast, w); });
  add("/routing/deep/accuracy", [&](Weights w) { return accuracy(group.pairs.deep, w); });
  for (size_t r = 0; r < group.routers.size(); ++r) {
    const Router& router = group.routers[r];
    const std::string at = "/routing/routers/" + std::to_string(r);
    add(at + "/apgr", [&](Weights w) { return apgr(router.ranking, group.pairs, w); });
    if (r == 0) continue;
    // On the same resample, so that luck with the rows cancels.
    add(at + "/p_apgr_minus_this", [&](Weights w) -> std::optional<double> {
      const auto of_p = apgr(group.routers[0].ranking, group.pairs, w);
      const auto of_this = apgr(router.ranking, group.pairs, w);
      if (!of_p || !of_this) return std::nullopt;
      return *of_p - *of_this;
    });
  }
  return list;
}

Json group_json(const Group& group, const RouteReportOptions& options) {
  Json out = {{"n", group.p.size()}, {"accuracy", nullptr}, {"confidence", confidence_json(group)}};
  out["operating"] = group.taus.empty() ? Json() : accepted_json(group);
  out["routing"] = group.pairs.deep.empty() ? Json() : routing_json(group, options);
  const Ranking ranking(group.p);
  const std::vector<Statistic> statistics = statistics_of(group, ranking);
  for (const Statistic& s : statistics) out.make(s.at) = number_or_null(s.of({}));
  if (options.bootstrap == 0) return out;
  const auto intervals = bootstrap(group.p.size(), statistics.size(), options.bootstrap, options.seed,
                                   [&](Weights weights, std::span<std::optional<double>> values) {
                                     for (size_t i = 0; i < statistics.size(); ++i)
                                       values[i] = statistics[i].of(weights);
                                   });
  for (size_t i = 0; i < statistics.size(); ++i) {
    out.make(statistics[i].at + "_interval") =
        intervals[i] ? Json::array({intervals[i]->low, intervals[i]->high}) : Json();
  }
  return out;
}

}  // namespace

Result<Json> route_report(const ObservationSet& set, const RouteReportOptions& options) {
  if (set.rows.empty()) return invalid("observations: there are none");
  for (const LabelledAnswer& row : set.rows) {
    if (!row.p) return invalid("row " + row.id + ": p is missing");
  }
  for (const auto& baseline : options.baselines) {
    if (std::find(set.features.begin(), set.features.end(), baseline.feature) != set.features.end()) continue;
    return invalid("baseline " + baseline.name + ": the rows have no feature " + baseline.feature);
  }
  KEDGE_ASSIGN(columns, find_columns(set, options));
  Rows all;
  std::vector<std::string> tasks;
  for (const LabelledAnswer& row : set.rows) {
    all.push_back(&row);
    tasks.push_back(row.task);
  }
  std::sort(tasks.begin(), tasks.end());
  tasks.erase(std::unique(tasks.begin(), tasks.end()), tasks.end());
  Json report = {{"all", group_json(make_group(set, all, columns, options), options)}, {"tasks", Json::object()}};
  for (const std::string& task : tasks) {
    if (task.empty()) continue;
    Rows rows;
    std::copy_if(all.begin(), all.end(), std::back_inserter(rows), [&](const auto* row) { return row->task == task; });
    report["tasks"][task] = group_json(make_group(set, rows, columns, options), options);
  }
  return report;
}

}  // namespace kedge::router
