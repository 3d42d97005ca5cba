// One answer of one model to one question, with what was measured while it was written and whether it was right.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::router {

// The larger model's answer to the same question.
struct DeepAnswer {
  bool correct = false;
  std::optional<double> cpu_s;
};

struct LabelledAnswer {
  std::string id;  // of the question; unique in a set
  std::string task;
  std::vector<double> features;  // finite, in the order of ObservationSet::features
  bool correct = false;
  std::string question;   // for the gate
  bool reworded = false;  // a question of the set in other words: it is no example of what is asked
  std::optional<double> cpu_s;
  std::optional<DeepAnswer> deep;
  // What a router said about the row; only reports have them.
  std::optional<double> p;     // that the fast answer is right
  std::optional<double> tau;   // the row's own threshold; infinity accepts nothing
  std::optional<double> gain;  // what escalating is worth: rows of more are escalated first
  std::optional<double> knn;   // a score from similar questions: rows of less are escalated first
};

struct ObservationSet {
  std::vector<std::string> features;
  std::vector<LabelledAnswer> rows;  // by id, so that nothing depends on the order they came in
};

// What a set of rows is for; decides which members a row may have.
enum class RowUse { kCalibrate, kReport };

// `rows` is an array of {"id", "task", "features": {name: number}, "correct", "cpu_s", "deep": {"features", "correct",
// "cpu_s"}, "question", "reworded"}; reports also read "p" (needed), "tau", "gain" and "knn", and may do without
// features. `wanted` chooses features; without it they are those of the first row, by name, and all rows have the same
// ones. Errors: kInvalidArgument, naming row and member: a missing or additional feature, an id given twice, ...
Result<ObservationSet> parse_observations(const Json& rows, const std::vector<std::string>& wanted, RowUse use);

// Uniform in [0, 1), a function of its arguments only. Streams are independent of each other.
double hash_uniform(std::string_view id, uint64_t seed, uint64_t stream);

// Which split a row is in: 0 fits the weights, 1 calibrates (the monotone map), 2 chooses the threshold. A row's split
// depends on nothing but its id, the seed and the fractions (which sum to 1).
size_t split_of(std::string_view id, uint64_t seed, const std::array<double, 3>& fractions);

}  // namespace kedge::router
