// A picture of one row's memory at the end of its prompt, one strip a policy: which positions are still there, and why.
#pragma once

#include <string>
#include <vector>

#include "tools/eval/recall.h"

namespace kedge::tools {

struct PageStrip {
  RecallSetting setting;
  size_t hot = 0;
  size_t n_prompt = 0;
  Json runs;                                           // "tokens" of kedge_session_kv
  std::vector<std::pair<size_t, size_t>> span_tokens;  // of the row's spans
  std::string answer;
  std::string error;  // the memory was too small
  bool right = false;
};

// Reads the row under each setting, and lets the model answer.
std::vector<PageStrip> read_pages(const kedge::Model& model, const RecallRow& row,
                                  const std::vector<RecallSetting>& settings, const RecallPlan& plan);

std::string pages_document(const std::string& heading, const RecallRow& row, const std::vector<PageStrip>& strips);

}  // namespace kedge::tools
