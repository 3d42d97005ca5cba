// `kedge run --beams`: the most likely continuations in place of one that is drawn.
#pragma once

#include <string>
#include <vector>

#include "tools/model_flags.h"

namespace kedge::tools {

struct BeamFlags {
  int beams = 0;
  int n_best = 0;
  double length_penalty = 1;
  std::string stop = "as-they-stand";

  CLI::Option* add_to(CLI::App* command);  // returns --beams
  bool wanted() const { return beams > 0; }
};

// What of `kedge run` a search goes by.
struct BeamRun {
  const BeamFlags& flags;
  const SessionFlags& shape;
  const kedge::SessionOptions& session;  // what of it is not the engine's: context, memory, adapters
  int max_tokens;
  std::string constraint;  // JSON, or empty
  bool json;
};
void run_beams(const BeamRun& run, const kedge::Model& model, const std::vector<int32_t>& ids);

}  // namespace kedge::tools
