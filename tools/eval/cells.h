// Outcomes of many rows, summed up: cells, tables, charts.
#pragma once

#include <string>
#include <vector>

#include "tools/eval/outcome.h"

namespace kedge::tools {

struct RecallCell {
  RecallSetting setting;
  bool fit = false;  // only rows whose references fit the budget
  int length = 0;    // of the rows' size class; 0: all
  size_t n = 0;
  size_t errors = 0;
  size_t values_right = 0;
  size_t sources_right = 0;
  size_t alarmed = 0;        // rows that were told of a detached reference
  size_t alarmed_right = 0;  // of these, rows that were right all the same
  double ci_low = 0;         // 95 %, of the share of right values
  double ci_high = 0;
  RecallOutcome sum;  // of the figures, and of n_prompt, budget_tokens and ref_tokens

  double values() const { return static_cast<double>(values_right) / static_cast<double>(n); }
  double sources() const { return static_cast<double>(sources_right) / static_cast<double>(n); }
  Json json() const;
};

// One for each setting, with all rows and with those that fit, for each length and for all; none without rows.
// Settings stand in the order given; those of `outcomes` that are not in it follow.
std::vector<RecallCell> recall_cells(const std::vector<RecallOutcome>& outcomes,
                                     const std::vector<RecallSetting>& settings);

std::string recall_table(const std::vector<RecallCell>& cells);
std::string recall_plot(const std::string& heading, const std::vector<RecallCell>& cells);

}  // namespace kedge::tools
