// A confidence feature: one number about an answer. To add one: an entry in the table of router/features.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "router/answer_trace.h"

namespace kedge::router {

struct FeatureDef {
  const char* name;
  const char* doc;
  double (*value)(const AnswerTrace& trace);  // finite, also for an answer without tokens
};

std::span<const FeatureDef> all_features();  // by name
std::span<const std::string> feature_names();
const FeatureDef* find_feature(std::string_view name);

// The values of all_features(), in their order.
std::vector<double> feature_values(const AnswerTrace& trace);

// Helpers for features over tokens. `get` is a member of TokenStats; of no tokens the result is 0.
double mean_of(std::span<const TokenStats> tokens, double TokenStats::*get);
double min_of(std::span<const TokenStats> tokens, double TokenStats::*get);
double max_of(std::span<const TokenStats> tokens, double TokenStats::*get);
// The same over the log-probabilities of one part of the question.
double mean_of(std::span<const QuestionToken> tokens, TokenPart part);
double min_of(std::span<const QuestionToken> tokens, TokenPart part);
// Linear interpolation between order statistics (Hyndman and Fan's type 7); q in [0, 1].
double quantile_of(std::span<const TokenStats> tokens, double TokenStats::*get, double q);

}  // namespace kedge::router
