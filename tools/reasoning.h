// What a model thinks before its answer: between which marks, and how much of it.
#pragma once

#include <cstdint>
#include <span>

#include "tools/command.h"

namespace kedge::tools {

// [begin, end]; null when the model has none that is known.
Json reasoning_marks(const kedge::Model& model);
// Whether the prompt ends within reasoning: templates open it for models that always think.
bool reasoning_is_open(const kedge::Model& model, std::span<const int32_t> prompt, const Json& marks);

// --reasoning-budget.
class ReasoningBudget {
 public:
  void add_to(CLI::App* command);
  bool given() const { return tokens_ >= 0; }
  bool on_command_line() const { return option_ != nullptr && option_->on_command_line(); }
  int tokens() const { return tokens_; }
  // The member "reasoning" of a constraint (kedge_generation.h).
  Json of(const Json& marks, bool open) const;

 private:
  CLI::Option* option_ = nullptr;
  int tokens_ = -1;
};

}  // namespace kedge::tools
