// The rows of `kedge batch`: what each asks for, and what is wrong with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

// What a row does not say, the command's flags do.
struct BatchRow {
  size_t line = 0;  // of the input, from 1
  Json id;          // a text or a whole number; the number of the line where none is given
  std::string prompt;
  Json messages;               // a chat instead of the prompt; null: there is none
  Json chat = Json::object();  // "enable_thinking", "tools": for the chat template
  std::optional<int> max_tokens;
  std::optional<uint64_t> seed;
  std::optional<std::vector<std::string>> stop;
  std::optional<bool> ignore_eos;
  std::optional<int> logprobs;
  std::vector<std::pair<std::string, double>> settings;  // of the sampler, by the names of its schema
  std::string problem;                                   // why it cannot be answered; empty: it can
};

// A line that is no JSON object, an id that is none or that two rows have, and an input without rows are Failures that
// name the line: nobody could tell which answer is whose. Anything else that is wrong is the row's `problem`. Empty
// lines are no rows.
std::vector<BatchRow> read_batch_rows(std::string_view text, const std::string& name);

}  // namespace kedge::tools
