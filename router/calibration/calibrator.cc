#include "router/calibration/calibrator.h"

#include <algorithm>
#include <cmath>

#include "router/calibration/metrics.h"

namespace kedge::router {
namespace {

constexpr uint64_t kFoldStream = 2;
constexpr std::array<const char*, 3> kSplitNames = {"fit", "calibrate", "threshold"};
constexpr std::array<size_t, 3> kLeastRows = {20, 10, 1};
constexpr size_t kResamples = 2000;

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

// The rows of one split, for one head.
struct Part {
  LogisticData data;
  std::vector<uint8_t> labels;
  std::vector<size_t> folds;
};
using Parts = std::array<Part, 3>;

Parts split(const ObservationSet& set, const CalibrateOptions& options, bool deep) {
  Parts parts;
  for (Part& part : parts) part.data.n_features = set.features.size();
  for (const LabelledAnswer& o : set.rows) {
    Part& part = parts[split_of(o.id, options.seed, options.fractions)];
    const bool label = deep ? o.deep->correct : o.correct;
    part.data.x.insert(part.data.x.end(), o.features.begin(), o.features.end());
    part.data.targets.push_back(label ? 1 : 0);
    part.labels.push_back(label ? 1 : 0);
    part.folds.push_back(static_cast<size_t>(hash_uniform(o.id, options.seed, kFoldStream) * kFolds));
  }
  return parts;
}

std::vector<double> probabilities(const Calibrator& calibrator, const Part& part) {
  std::vector<double> p;
  for (size_t i = 0; i < part.data.n(); ++i) p.push_back(calibrator.probability(part.data.row(i)));
  return p;
}

Json number_or_null(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

Json split_metrics(std::span<const double> p, Labels labels) {
  return {{"n", labels.size()},
          {"accuracy", number_or_null(accuracy(labels))},
          {"log_loss", log_loss(p, labels)},
          {"auroc", number_or_null(auroc(p, labels))},
          {"ece", ece_equal_width(p, labels)},
          {"ece_equal_mass", ece_equal_mass(p, labels)},
          {"brier", brier(p, labels)}};
}

struct Fitted {
  Calibrator calibrator;
  LambdaChoice choice;
};

Result<Fitted> fit_head(const ObservationSet& set, const CalibrateOptions& options, const Parts& parts) {
  Fitted fitted;
  Calibrator& c = fitted.calibrator;
  c.features = set.features;
  KEDGE_ASSIGN(choice, choose_lambda(parts[0].data, parts[0].folds));
  KEDGE_ASSIGN(model, fit_logistic(parts[0].data, choice.lambda));
  c.model = std::move(model);
  std::vector<double> logits;
  for (size_t i = 0; i < parts[1].data.n(); ++i) logits.push_back(c.model.logit(parts[1].data.row(i)));
  const auto kind =
      options.map.value_or(logits.size() >= kIsotonicRows ? MonotoneMap::Kind::kIsotonic : MonotoneMap::Kind::kPlatt);
  if (kind == MonotoneMap::Kind::kIsotonic) {
    c.map = fit_isotonic(logits, parts[1].labels);
  } else {
    KEDGE_ASSIGN(map, fit_platt(logits, parts[1].labels));
    c.map = std::move(map);
  }
  c.fit = {{"n", set.rows.size()},
           {"seed", options.seed},
           {"fractions", options.fractions},
           {"lambda", choice.lambda},
           {"splits", Json::object()}};
  for (size_t s = 0; s < parts.size(); ++s) {
    c.fit["splits"][kSplitNames[s]] = split_metrics(probabilities(c, parts[s]), parts[s].labels);
  }
  fitted.choice = std::move(choice);
  return fitted;
}

Json interval_json(const std::optional<Interval>& interval) {
  if (!interval) return nullptr;
  return Json::array({interval->low, interval->high});
}

// What a person wants to see beyond the file.
Json head_report(const Fitted& fitted, const Parts& parts, uint64_t seed) {
  const Calibrator& c = fitted.calibrator;
  Json report = {{"lambda", c.fit["lambda"]}, {"cross_validation", Json::array()}, {"splits", c.fit["splits"]}};
  for (const auto& candidate : fitted.choice.grid) {
    report["cross_validation"].push_back({{"lambda", candidate.lambda}, {"log_loss", candidate.log_loss}});
  }
  const Part& held = parts[2];
  const std::vector<double> p = probabilities(c, held);
  const Ranking ranking(p);
  const auto intervals = bootstrap(p.size(), 2, kResamples, seed, [&](Weights w, std::span<std::optional<double>> out) {
    out[0] = auroc(ranking, held.labels, w);
    out[1] = ece_equal_width(p, held.labels, w);
  });
  report["held_out"] = {{"auroc_interval", interval_json(intervals[0])}, {"ece_interval", interval_json(intervals[1])}};
  report["features"] = Json::array();
  for (size_t j = 0; j < c.features.size(); ++j) {
    std::vector<double> column;
    for (size_t i = 0; i < held.data.n(); ++i) column.push_back(held.data.row(i)[j]);
    report["features"].push_back({{"name", c.features[j]},
                                  {"weight", c.model.weights[j]},
                                  {"auroc", number_or_null(auroc(column, held.labels))}});
  }
  report["notes"] = Json::array();
  if (c.model.one_class) {
    report["notes"].push_back("all rows of the fit split have one label: the weights are 0, p is the same for all");
  } else if (c.map.kind == MonotoneMap::Kind::kPlatt && c.map.slope == 0) {
    report["notes"].push_back("on the calibrate split the score does not rise with being right: p is the same for all");
  } else if (c.map.kind == MonotoneMap::Kind::kPlatt) {
    const auto right = static_cast<size_t>(std::count(parts[1].labels.begin(), parts[1].labels.end(), uint8_t{1}));
    const size_t fewer = std::min(right, parts[1].labels.size() - right);
    if (fewer < kLeastForSlope) {
      report["notes"].push_back("the calibrate split has " + std::to_string(fewer) + " rows of one label, under " +
                                std::to_string(kLeastForSlope) + ": only the offset of the map is fitted");
    }
  }
  return report;
}

GateRows gate_rows(const ObservationSet& set, const CalibrateOptions& options, const ObservationSet& outside) {
  GateRows rows;
  for (const LabelledAnswer& row : set.rows) {
    if (row.reworded) continue;
    const size_t part = split_of(row.id, options.seed, options.fractions);
    if (part < 2) (part == 0 ? rows.fit : rows.calibrate).push_back(&row);
  }
  for (const LabelledAnswer& row : outside.rows) rows.outside.push_back(&row);
  rows.outside_features = outside.features;
  return rows;
}

ObservationSet inside(const Gate& gate, const ObservationSet& set) {
  ObservationSet kept{.features = set.features, .rows = {}};
  for (const LabelledAnswer& row : set.rows) {
    if (gate(row.question, gate.values(set.features, row.features)).inside) kept.rows.push_back(row);
  }
  return kept;
}

Status check(const ObservationSet& set, const CalibrateOptions& o, bool& deep) {
  if (set.features.empty()) return invalid("observations have no features");
  if (o.alphas.empty()) return invalid("alpha: none is given");
  for (const double alpha : o.alphas) {
    if (!(alpha > 0 && alpha < 1)) return invalid("alpha = " + std::to_string(alpha) + "; over 0 and under 1");
  }
  if (!(o.delta > 0 && o.delta < 1)) return invalid("delta = " + std::to_string(o.delta) + "; over 0 and under 1");
  double sum = 0;
  for (const double f : o.fractions) {
    if (!(f > 0)) return invalid("fractions: " + std::to_string(f) + " is not over 0");
    sum += f;
  }
  if (!(std::abs(sum - 1) < 1e-9)) return invalid("fractions sum to " + std::to_string(sum) + ", not 1");
  deep = set.rows[0].deep.has_value();
  for (const LabelledAnswer& row : set.rows) {
    if (row.deep.has_value() != deep) return invalid("row " + row.id + ": deep is on some rows only");
    if (o.task == "any" || row.task.empty() || row.task == o.task) continue;
    return invalid("row " + row.id + " is of task '" + row.task + "', not '" + o.task + "'");
  }
  return {};
}

}  // namespace

double Calibrator::probability(std::span<const double> values) const noexcept {
  const double logit = model.logit(values);
  return std::isfinite(logit) ? map(logit) : 0;
}

Status Calibrator::gather(std::span<const NamedFeature> given, std::span<double> out) const {
  for (size_t j = 0; j < features.size(); ++j) {
    const auto found =
        std::find_if(given.begin(), given.end(), [&](const NamedFeature& f) { return f.name == features[j]; });
    if (found == given.end()) return invalid("the feature " + features[j] + " is missing");
    if (!std::isfinite(found->value)) return invalid("the feature " + features[j] + " is not finite");
    out[j] = found->value;
  }
  return {};
}

const RiskThreshold* Calibration::threshold(double alpha) const {
  for (const RiskThreshold& t : thresholds) {
    if (t.alpha == alpha) return &t;
  }
  return nullptr;
}

Result<Calibrated> calibrate(const ObservationSet& all, const CalibrateOptions& options,
                             const ObservationSet& outside) {
  bool with_deep = false;
  if (all.rows.empty()) return invalid("observations: there are none");
  KEDGE_TRY(check(all, options, with_deep));
  std::optional<Gate> gate;
  if (!outside.rows.empty()) {
    KEDGE_ASSIGN(fitted, fit_gate(all.features, gate_rows(all, options, outside)));
    gate = std::move(fitted);
  }
  const ObservationSet set = gate ? inside(*gate, all) : all;
  const Parts parts = split(set, options, false);
  for (size_t s = 0; s < parts.size(); ++s) {
    if (parts[s].data.n() >= kLeastRows[s]) continue;
    return invalid("the " + std::string(kSplitNames[s]) + " split has " + std::to_string(parts[s].data.n()) +
                   " of the " + std::to_string(set.rows.size()) + " rows; at least " + std::to_string(kLeastRows[s]) +
                   " are needed");
  }
  Calibrated result;
  Calibration& c = result.calibration;
  c.gate = std::move(gate);
  c.model = options.model;
  c.task = options.task;
  KEDGE_ASSIGN(confidence, fit_head(set, options, parts));
  c.confidence = confidence.calibrator;
  result.report["confidence"] = head_report(confidence, parts, options.seed);
  if (with_deep) {
    const Parts deep_parts = split(set, options, true);
    KEDGE_ASSIGN(deep, fit_head(set, options, deep_parts));
    c.deep = deep.calibrator;
    result.report["deep"] = head_report(deep, deep_parts, options.seed);
  }
  // Candidates come from the other two splits: on the tested rows they would depend on what is tested.
  std::vector<double> elsewhere = probabilities(c.confidence, parts[0]);
  const std::vector<double> more = probabilities(c.confidence, parts[1]);
  elsewhere.insert(elsewhere.end(), more.begin(), more.end());
  const std::vector<double> tested = probabilities(c.confidence, parts[2]);
  for (const double alpha : options.alphas) {
    const auto sequence = threshold_sequence(elsewhere, tested.size(), alpha, options.delta);
    c.thresholds.push_back(learn_threshold(sequence, tested, parts[2].labels, alpha, options.delta));
  }
  seal(c);
  return result;
}

}  // namespace kedge::router
