// Divides the logits by the temperature; at 0 only the best remains (greedy; ties go to the lowest id).
#include <algorithm>
#include <array>

#include "engine/sampler_def.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 1> kSettings = {{
    {"temperature", 0.8, 0.0, 100.0, false, 1.0, "divides the logits; 0 = always the most likely token"},
}};

bool active(std::span<const double> s) { return s[0] != 1.0; }

void apply(Candidates& candidates, SamplerContext& context) {
  const double t = context.settings[0];
  if (t == 0.0) {
    candidates.keep_from(Candidate(candidates.best()));
    return;
  }
  // Relative to the best, so that a tiny temperature cannot make an infinity.
  const double best = candidates.best().logit;
  for (Candidate& c : candidates.items()) c.logit = std::max((c.logit - best) / t, -1e300);
}

}  // namespace

extern const SamplerDef temperature;
constinit const SamplerDef temperature = {"temperature", 90, false, kSettings, active, apply};

}  // namespace kedge::engine::samplers
