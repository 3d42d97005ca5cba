// Runs rows of recall.jsonl under settings of the memory: one fresh session each, several at once on one engine.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tools/eval/data.h"
#include "tools/eval/outcome.h"

namespace kedge::tools {

// Every combination that makes sense. Marks concern the anchor policies only; a cold tier only what can be recalled:
// by a mark, or by attention (`recall_by_attention`). "full" has one setting.
std::vector<RecallSetting> recall_settings(const std::vector<std::string>& policies, const std::vector<double>& budgets,
                                           const std::vector<std::string>& marks, const std::vector<std::string>& colds,
                                           bool recall_by_attention);

struct RecallPlan {
  kedge::Engine* engine;  // whose sessions get their context and memory by the row
  Json kv;                // further memory options
  int jobs = 1;
};

// A row on its way through a session of its own, whose memory knows the row's segments. Ctrl-C stops it.
class RecallRun {
 public:
  static kedge::Result<RecallRun> start(const kedge::Model& model, const RecallRow& row, const RecallSetting& setting,
                                        const RecallPlan& plan);

  // Reads the prompt, in one call: the memory keeps its budget while the prompt streams in. False: Ctrl-C came first.
  kedge::Result<bool> read();
  // What the model says then; nothing when Ctrl-C came first.
  kedge::Result<std::optional<std::string>> answer();
  Json kv() const { return Json::parse(need(session_->kv())); }

  size_t n_prompt() const { return tokens_.size(); }
  size_t budget() const { return budget_; }
  // First token of each span of the row, and the one behind its last.
  const std::vector<std::pair<size_t, size_t>>& span_tokens() const { return span_tokens_; }

 private:
  RecallRun() = default;
  void tokenize(const kedge::Model& model, const RecallRow& row, const RecallSetting& setting);
  kedge::Result<kedge::Generation> generate(std::span<const int32_t> prompt, int max_tokens);

  int max_tokens_ = 0;
  size_t budget_ = 0;
  std::vector<int32_t> tokens_;
  Json segments_;
  std::vector<std::pair<size_t, size_t>> span_tokens_;
  std::optional<kedge::Session> session_;
};

// One row, judged; nothing when Ctrl-C came first. A memory too small for the row is an outcome with an error; anything
// else that fails is a Failure.
std::optional<RecallOutcome> run_row(const kedge::Model& model, const RecallRow& row, const RecallSetting& setting,
                                     const RecallPlan& plan);

// All rows under all settings that the file does not have yet, long ones first. Returns everything there is then, in an
// order that does not depend on the number of jobs; after Ctrl-C, `stopped` is set.
std::vector<RecallOutcome> run_recall(const kedge::Model& model, const std::vector<RecallRow>& rows,
                                      const std::vector<RecallSetting>& settings, const RecallPlan& plan,
                                      OutcomeFile& file, bool& stopped);

}  // namespace kedge::tools
