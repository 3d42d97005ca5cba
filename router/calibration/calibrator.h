// The chance that an answer is right, from what was measured while it was written: a logistic regression, a monotone
// map, and thresholds whose error rate is bounded. docs/calibration.md says how they are fitted and stored.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"
#include "router/calibration/gate.h"
#include "router/calibration/logistic.h"
#include "router/calibration/monotone_map.h"
#include "router/calibration/observation.h"
#include "router/calibration/risk.h"

namespace kedge::router {

struct NamedFeature {
  std::string_view name;
  double value = 0;
};

// Const, and shared by threads. The same bits on every machine for the same file and features: sums in the order of the
// features, no library exp.
struct Calibrator {
  std::vector<std::string> features;
  LogisticModel model;
  MonotoneMap map;
  Json fit;  // how it was fitted: rows, lambda, and log loss, AUROC, ECE and Brier on each split

  // Strictly between 0 and 1. `values` are in the order of `features` and finite (gather checks); 0 when they are not
  // finite, which no threshold accepts but one that accepts all. Allocates nothing.
  double probability(std::span<const double> values) const noexcept;
  // Puts values into the order of `features`; `out` has their number. Others are ignored.
  // Errors: kInvalidArgument, naming the feature that is missing or not finite.
  Status gather(std::span<const NamedFeature> given, std::span<double> out) const;
};

struct Calibration {
  std::string id;  // "sha256:..." of the canonical content
  Json model;      // digest, name, quant, ...: what the caller says it is for
  std::string task;
  Calibrator confidence;           // P(this model's answer is right)
  std::optional<Calibrator> deep;  // P(the deep model's answer is right), from this model's features
  std::optional<Gate> gate;        // whether a question is like those this was fitted on; nothing: not known
  std::vector<RiskThreshold> thresholds;

  // The one for this alpha, nothing when it was not asked for.
  const RiskThreshold* threshold(double alpha) const;
};

struct CalibrateOptions {
  Json model = Json::object();
  std::string task;  // rows of another task are an error; "any" takes all
  std::vector<double> alphas = {0.10};
  double delta = 0.05;  // for each alpha on its own
  uint64_t seed = 0;
  std::array<double, 3> fractions = {0.50, 0.25, 0.25};  // fit, calibrate, threshold
  std::optional<MonotoneMap::Kind> map;                  // nothing: isotonic from kIsotonicRows rows on
};
inline constexpr size_t kIsotonicRows = 1000;

struct Calibrated {
  Calibration calibration;
  Json report;
};

// With `outside`, questions of other kinds, the gate is fitted first, on rows that are not reworded; what it keeps out
// takes no part in the rest. Fits on one split, maps on the second, chooses thresholds on the third. The deep head is
// fitted when all rows have `deep`. Rows, features and options decide the result; threads and the order of rows do not.
// Errors: kInvalidArgument (too few rows in a split, a row of another task, `deep` on some rows only).
Result<Calibrated> calibrate(const ObservationSet& observations, const CalibrateOptions& options,
                             const ObservationSet& outside = {});

// The file: format kedge-calibrator-2.
Json calibration_json(const Calibration& calibration);
// Sets the id. The content is what the file says; loading gives the same bits.
void seal(Calibration& calibration);
// Errors: kCorrupt, naming the member: not the format, a missing or unknown member, a number that is none, lengths that
// differ, a map that is not monotone, an id that is not that of the content.
Result<Calibration> parse_calibration(std::string_view text);
Result<Calibration> read_calibration(const std::string& path);  // also kNotFound, kIo

}  // namespace kedge::router
