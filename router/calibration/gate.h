// Whether a question is like those that a calibrator knows. What p says holds for questions of one distribution; what
// is outside of it has no p. The gate looks at the question alone: how likely the model finds its words (features
// question_...), how many pairs of words no calibration question has, how long it is and in what letters.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"
#include "router/calibration/logistic.h"
#include "router/calibration/observation.h"

namespace kedge::router {

struct Gate {
  std::vector<std::string> features;  // names; the last one, kUnseen, the gate measures itself
  LogisticModel model;                // of being inside
  double cut = 0;                     // the least logit that is inside
  std::vector<double> low;            // of each feature, what calibration questions have, with a margin:
  std::vector<double> high;           // beyond it a question is outside, whatever the model says
  std::vector<std::string> openers;   // words that calibration questions begin with; sorted
  std::vector<std::string> pairs;     // wording_pairs of calibration questions; sorted
  Json fit;                           // rows, and how many of them are inside

  static constexpr const char* kUnseen = "unseen_wording";

  struct Verdict {
    bool inside = false;
    double score = 0;  // the logit
    std::string why;   // outside: what it was decided on
  };
  // Of the features but the last, out of those of a row.
  std::vector<double> values(std::span<const std::string> names, std::span<const double> row) const;
  // `values`: of `features` but the last. The same bits on every machine.
  Verdict operator()(std::string_view question, std::span<const double> values) const;
};

// Features of a question are those whose name begins so.
inline constexpr std::string_view kQuestionPrefix = "question_";

// Which rows shape the gate, and which of its numbers.
struct GateRows {
  std::vector<const LabelledAnswer*> fit;         // inside: weights, words, ranges
  std::vector<const LabelledAnswer*> calibrate;   // inside: ranges and the cut, which keeps kGateKeeps of them
  std::vector<const LabelledAnswer*> outside;     // questions of other kinds: weights
  std::span<const std::string> outside_features;  // whose names are those of the features of rows outside
};
inline constexpr double kGateKeeps = 0.99;

// `features` are those of the rows. Errors: kInvalidArgument (no features of the question, too few rows).
Result<Gate> fit_gate(const std::vector<std::string>& features, const GateRows& rows);

Json gate_json(const Gate& gate);
// Errors: kCorrupt, naming the member.
Result<Gate> parse_gate(const Json& json, const std::string& where);

}  // namespace kedge::router
