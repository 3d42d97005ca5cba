// What became of one row under one setting of the memory, and the file that keeps all of them so that a run of hours
// can be stopped and goes on.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

struct RecallSetting {
  std::string policy;
  double budget = 100;         // percent of the prompt's tokens
  std::string marks = "none";  // who says where references are: spans (of the data), detector, none
  std::string cold = "off";

  bool bounded() const { return policy != "full"; }
  std::string name() const;  // without the budget: "anchor, spans, cold ram"
  auto operator<=>(const RecallSetting&) const = default;
};

struct RecallOutcome {
  std::string row;
  RecallSetting setting;
  int length = 0;
  size_t n_prompt = 0;
  size_t budget_tokens = 0;
  size_t ref_tokens = 0;  // of all spans, false ones included
  size_t n_spans = 0;
  size_t n_false = 0;
  bool values = false;   // all values right
  bool sources = false;  // all sources right
  std::string text;      // the answer
  std::string error;     // why there is none: the memory was too small, say
  double hot_bytes = 0;
  double cold_bytes = 0;
  double evicted = 0;
  double demoted = 0;
  double recalled = 0;
  double lost = 0;
  double detached = 0;
  double seconds = 0;

  // The references fit the budget with room to spare.
  bool fits() const {
    return !setting.bounded() || static_cast<double>(ref_tokens) <= 0.6 * static_cast<double>(budget_tokens);
  }
  Json json() const;
  static RecallOutcome from(const Json& json);  // throws JsonError
};

// Outcomes as JSON lines behind a first line with what they were measured with. Without a path nothing is written.
class OutcomeFile {
 public:
  // Reads what an earlier run left; a last line that was cut short is dropped. Another `setup` is a Failure.
  OutcomeFile(const std::string& path, const Json& setup);
  const std::vector<RecallOutcome>& earlier() const { return earlier_; }
  void append(const RecallOutcome& outcome);  // written through at once; a Failure when that fails

 private:
  struct Close {
    void operator()(FILE* f) const { std::fclose(f); }
  };
  void write_line(const Json& json);

  std::string path_;
  std::vector<RecallOutcome> earlier_;
  std::unique_ptr<FILE, Close> file_;
};

}  // namespace kedge::tools
