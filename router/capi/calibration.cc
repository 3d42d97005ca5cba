// The C interface: calibration, and what a router is worth. kedge_router.h describes the requests.
#include <algorithm>
#include <limits>

#include "include/kedge/kedge_router.h"
#include "kernels/base/capi.h"
#include "router/calibration/calibrator.h"
#include "router/calibration/json_members.h"
#include "router/calibration/route_report.h"

using namespace kedge::router;
using namespace kedge::base::capi;

namespace {

constexpr const char* kWhere = "request";
constexpr size_t kMaxResamples = 100000;

Result<std::vector<double>> read_numbers(const Json& value, const char* key) {
  if (!value.is_array()) return wrong_member(kWhere, key, "is not an array of numbers");
  std::vector<double> out;
  for (const Json& element : value) {
    KEDGE_ASSIGN(number, finite_number(element, kWhere, key));
    out.push_back(number);
  }
  return out;
}

Result<std::vector<std::string>> read_feature_names(const Json& request) {
  std::vector<std::string> names;
  const auto list = request.find("features");
  if (list == request.end()) return names;
  if (!list->is_array() || list->empty()) return wrong_member(kWhere, "features", "is not an array of names");
  for (const Json& name : *list) {
    if (!name.is_string()) return wrong_member(kWhere, "features", "has an element that is no text");
    const auto text = name.get<std::string>();
    if (std::find(names.begin(), names.end(), text) != names.end()) {
      return wrong_member(kWhere, "features", "has " + text + " twice");
    }
    names.push_back(text);
  }
  return names;
}

Result<CalibrateOptions> read_calibrate_options(const Json& request) {
  CalibrateOptions o;
  KEDGE_ASSIGN(model, need_member(request, kWhere, "model"));
  if (!model->is_object()) return wrong_member(kWhere, "model", "is not an object");
  o.model = *model;
  KEDGE_ASSIGN(task, text_member(request, kWhere, "task"));
  if (task.empty()) return wrong_member(kWhere, "task", "is empty; \"any\" takes rows of all tasks");
  o.task = std::move(task);
  if (const auto alpha = request.find("alpha"); alpha != request.end()) {
    KEDGE_ASSIGN(alphas, read_numbers(alpha->is_array() ? *alpha : Json::array({*alpha}), "alpha"));
    o.alphas = std::move(alphas);
  }
  KEDGE_ASSIGN(delta, optional_number(request, kWhere, "delta"));
  if (delta) o.delta = *delta;
  KEDGE_ASSIGN(seed, count_member(request, kWhere, "seed", o.seed));
  o.seed = seed;
  if (const auto fractions = request.find("fractions"); fractions != request.end()) {
    KEDGE_ASSIGN(three, read_numbers(*fractions, "fractions"));
    if (three.size() != 3) return wrong_member(kWhere, "fractions", "are not three: fit, calibrate, threshold");
    std::copy(three.begin(), three.end(), o.fractions.begin());
  }
  if (const auto map = request.find("map"); map != request.end() && *map != "auto") {
    if (*map != "platt" && *map != "isotonic") return wrong_member(kWhere, "map", "is not auto, platt or isotonic");
    o.map = *map == "platt" ? MonotoneMap::Kind::kPlatt : MonotoneMap::Kind::kIsotonic;
  }
  return o;
}

Result<Json> calibrate_request(std::string_view text) {
  KEDGE_ASSIGN(request, parse_json(text, kWhere));
  KEDGE_TRY(only_members(
      request, kWhere,
      {"observations", "model", "task", "alpha", "delta", "seed", "fractions", "features", "map", "outside"}));
  KEDGE_ASSIGN(options, read_calibrate_options(request));
  KEDGE_ASSIGN(names, read_feature_names(request));
  KEDGE_ASSIGN(rows, need_member(request, kWhere, "observations"));
  KEDGE_ASSIGN(observations, parse_observations(*rows, names, RowUse::kCalibrate));
  ObservationSet outside;
  if (const auto others = request.find("outside");
      others != request.end() && !(others->is_array() && others->empty())) {
    std::vector<std::string> wanted;
    std::copy_if(observations.features.begin(), observations.features.end(), std::back_inserter(wanted),
                 [](std::string_view name) { return name.starts_with(kQuestionPrefix); });
    KEDGE_ASSIGN(parsed, parse_observations(*others, wanted, RowUse::kCalibrate));
    outside = std::move(parsed);
  }
  KEDGE_ASSIGN(made, calibrate(observations, options, outside));
  return Json{{"calibrator", calibration_json(made.calibration)}, {"report", std::move(made.report)}};
}

Result<RouteReportOptions::Baseline> read_baseline(const Json& json, const std::string& where) {
  KEDGE_TRY(only_members(json, where, {"name", "feature", "escalate"}));
  RouteReportOptions::Baseline baseline;
  KEDGE_ASSIGN(name, text_member(json, where, "name"));
  KEDGE_ASSIGN(feature, text_member(json, where, "feature"));
  KEDGE_ASSIGN(escalate, text_member(json, where, "escalate"));
  if (escalate != "low" && escalate != "high") return wrong_member(where, "escalate", "is not low or high");
  return RouteReportOptions::Baseline{std::move(name), std::move(feature), escalate == "high"};
}

Result<RouteReportOptions> read_report_options(const Json& request) {
  RouteReportOptions o;
  if (const auto tau = request.find("tau"); tau != request.end()) {
    o.tau = std::numeric_limits<double>::infinity();
    if (!tau->is_null()) {
      KEDGE_ASSIGN(value, finite_number(*tau, kWhere, "tau"));
      o.tau = value;
    }
  }
  KEDGE_ASSIGN(resamples, count_member(request, kWhere, "bootstrap", o.bootstrap));
  if (resamples > kMaxResamples) {
    return wrong_member(kWhere, "bootstrap", "is over " + std::to_string(kMaxResamples) + " resamples");
  }
  o.bootstrap = resamples;
  KEDGE_ASSIGN(seed, count_member(request, kWhere, "seed", o.seed));
  o.seed = seed;
  KEDGE_ASSIGN(points, count_member(request, kWhere, "curve_points", o.curve_points));
  o.curve_points = points;
  if (const auto shares = request.find("shares"); shares != request.end()) {
    KEDGE_ASSIGN(list, read_numbers(*shares, "shares"));
    for (const double share : list) {
      if (share < 0 || share > 1) return wrong_member(kWhere, "shares", "has a value that is not from 0 to 1");
    }
    o.shares = std::move(list);
  }
  if (const auto list = request.find("baselines"); list != request.end()) {
    if (!list->is_array()) return wrong_member(kWhere, "baselines", "is not an array");
    for (size_t i = 0; i < list->size(); ++i) {
      KEDGE_ASSIGN(baseline, read_baseline((*list)[i], "baselines[" + std::to_string(i) + "]"));
      o.baselines.push_back(std::move(baseline));
    }
  }
  return o;
}

Result<Json> report_request(std::string_view text) {
  KEDGE_ASSIGN(request, parse_json(text, kWhere));
  KEDGE_TRY(only_members(request, kWhere,
                         {"observations", "tau", "bootstrap", "seed", "shares", "curve_points", "baselines"}));
  KEDGE_ASSIGN(options, read_report_options(request));
  std::vector<std::string> names;
  for (const auto& baseline : options.baselines) {
    if (std::find(names.begin(), names.end(), baseline.feature) == names.end()) names.push_back(baseline.feature);
  }
  KEDGE_ASSIGN(rows, need_member(request, kWhere, "observations"));
  KEDGE_ASSIGN(observations, parse_observations(*rows, names, RowUse::kReport));
  return route_report(observations, options);
}

Status answer(Result<Json> (*function)(std::string_view), const char* request, size_t request_size, char** json,
              size_t* json_size) {
  KEDGE_TRY(clear_outputs(json, json_size));
  KEDGE_ASSIGN(text, in_text(request, request_size, "request"));
  KEDGE_ASSIGN(result, function(text));
  return give_text(result.dump(), json, json_size);
}

}  // namespace

extern "C" {

kedge_status kedge_calibrate(const char* request, size_t request_size, char** json, size_t* json_size) {
  return guard([&] { return answer(calibrate_request, request, request_size, json, json_size); });
}

kedge_status kedge_route_report(const char* request, size_t request_size, char** json, size_t* json_size) {
  return guard([&] { return answer(report_request, request, request_size, json, json_size); });
}

}  // extern "C"
