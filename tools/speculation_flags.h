// The flags of speculation: tokens guessed ahead, which change how long an answer takes and nothing else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tools/command.h"

namespace kedge::tools {

class SpeculationFlags {
 public:
  void add_to(CLI::App* command);
  bool given() const { return !how_.empty(); }
  std::string json() const;  // for GenerateOptions.speculation; empty when it was not given
  // A session of the draft model, shaped like the one it guesses for; nothing when no draft was asked for.
  std::optional<kedge::Session> draft(kedge::SessionOptions options) const;

 private:
  std::string how_;
  int most_ = 8;
};

// One line on what came of it (kedge_generation_result.speculation), empty when there was none.
std::string speculation_line(std::string_view speculation);

}  // namespace kedge::tools
