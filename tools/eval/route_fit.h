// From labelled questions to calibrators: what both models say to them, and what that says about being right.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/eval/route_asked.h"

namespace kedge::tools {

// What fast and deep said to the same questions, by themselves.
struct PairedRuns {
  std::vector<RouteRun> fast;
  std::vector<RouteRun> deep;           // empty when the pool has no deep model
  std::vector<RouteRun> fast_grounded;  // the facts, answered from the corpus; empty without one
  std::vector<RouteRun> deep_grounded;
  // Questions of other kinds, which no calibrator may learn from; of fits only.
  std::vector<RouteRun> fast_asked, deep_asked, fast_asked_grounded, deep_asked_grounded;
};

std::string temporary_folder();  // a new one; the caller removes it

struct RunPlan {
  int jobs = 1;
  bool quiet = false;
};

// An index of the folder's facts_corpus.jsonl, made in a temporary folder, deleted with this.
class CorpusIndex {
 public:
  // `without`: documents left out. Path "" when the folder has no corpus.
  CorpusIndex(const std::string& folder, const std::string& model_path, const std::vector<std::string>& without);
  ~CorpusIndex();
  CorpusIndex(const CorpusIndex&) = delete;
  CorpusIndex& operator=(const CorpusIndex&) = delete;
  const std::string& path() const { return index_; }

 private:
  std::string folder_;
  std::string index_;
};

std::vector<const RouteRow*> pointers(const std::vector<RouteRow>& rows, const std::string& task = "");

// Runs with a count on the terminal.
std::vector<RouteRun> run_way(kedge::Router& router, const std::vector<const RouteRow*>& rows, const AskWays& how,
                              const RunPlan& plan);
PairedRuns run_pairs(kedge::Router& router, const std::vector<RouteRow>& rows, const std::string& index,
                     const RunPlan& plan);

// What calibrators are fitted on: the labelled questions of a folder, each also in other words, and those of other
// kinds that its asked.jsonl has.
struct FitRows {
  FitRows(const std::string& folder, int limit);
  std::vector<RouteRow> rows;
  std::vector<RouteRow> asked;
};
PairedRuns run_fit(kedge::Router& router, const FitRows& rows, const std::string& index, const RunPlan& plan);

struct FitOptions {
  double min_gain = 0.15;  // of the policy
  double alpha = 0.10;
  double delta = 0.05;
  uint64_t seed = 0;
};
struct FittedCalibrator {
  std::string alias;  // "fast" or "deep"
  std::string task;   // of the router
  Json calibrator;
  Json report;
};
// One per model and task that has enough rows; the others are named in `skipped`. Thresholds hold for the questions a
// model is asked: those of the deep model are learnt on questions that the fast one does not settle, where there are
// enough of them.
std::vector<FittedCalibrator> fit_calibrators(const PairedRuns& runs, const FitOptions& options,
                                              std::vector<std::string>& skipped);
// <folder>/<model>-<task>.json each.
void write_calibrators(const std::vector<FittedCalibrator>& fitted, const std::string& folder);

// An index of the questions with what became of them: the pool's `neighbours`.
void write_neighbours(const PairedRuns& runs, const std::string& model_path, const std::string& file);

// The path of an alias' model.
std::string model_path(kedge::Router& router, const std::string& alias);

}  // namespace kedge::tools
