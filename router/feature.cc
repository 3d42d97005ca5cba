#include "router/feature.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/names.h"

namespace kedge::router {

std::span<const std::string> feature_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const FeatureDef& f : all_features()) list.emplace_back(f.name);
    return list;
  }();
  return names;
}

const FeatureDef* find_feature(std::string_view name) {
  for (const FeatureDef& f : all_features()) {
    if (same_name(name, f.name)) return &f;
  }
  return nullptr;
}

std::vector<double> feature_values(const AnswerTrace& trace) {
  std::vector<double> values;
  values.reserve(all_features().size());
  for (const FeatureDef& f : all_features()) values.push_back(f.value(trace));
  return values;
}

double mean_of(std::span<const TokenStats> tokens, double TokenStats::*get) {
  if (tokens.empty()) return 0;
  double sum = 0;
  for (const TokenStats& t : tokens) sum += t.*get;
  return sum / static_cast<double>(tokens.size());
}

double min_of(std::span<const TokenStats> tokens, double TokenStats::*get) {
  if (tokens.empty()) return 0;
  double low = INFINITY;
  for (const TokenStats& t : tokens) low = std::min(low, t.*get);
  return low;
}

double max_of(std::span<const TokenStats> tokens, double TokenStats::*get) {
  if (tokens.empty()) return 0;
  double high = -INFINITY;
  for (const TokenStats& t : tokens) high = std::max(high, t.*get);
  return high;
}

double mean_of(std::span<const QuestionToken> tokens, TokenPart part) {
  double sum = 0;
  size_t n = 0;
  for (const QuestionToken& t : tokens) {
    if (t.part != part) continue;
    sum += t.logprob;
    ++n;
  }
  return n == 0 ? 0 : sum / static_cast<double>(n);
}

double min_of(std::span<const QuestionToken> tokens, TokenPart part) {
  double low = 0;
  for (const QuestionToken& t : tokens) {
    if (t.part == part) low = std::min(low, t.logprob);
  }
  return low;
}

double quantile_of(std::span<const TokenStats> tokens, double TokenStats::*get, double q) {
  if (tokens.empty()) return 0;
  std::vector<double> sorted;
  sorted.reserve(tokens.size());
  for (const TokenStats& t : tokens) sorted.push_back(t.*get);
  std::sort(sorted.begin(), sorted.end());
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace kedge::router
