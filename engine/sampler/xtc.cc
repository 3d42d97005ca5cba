// XTC ("exclude top choices", p-e-w 2024): with the given probability, drops all tokens above the threshold but the
// least likely of them.
#include <array>

#include "engine/sampler_def.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 2> kSettings = {{
    {"xtc_probability", 0.0, 0.0, 1.0, false, 0.0, "chance that the top choices are excluded; 0 = off"},
    {"xtc_threshold", 0.1, 0.0, 1.0, false, kNeverOff,
     "probability that makes a token a top choice; above 0.5 there is never more than one"},
}};

bool active(std::span<const double> s) { return s[0] > 0.0 && s[1] <= 0.5; }

void apply(Candidates& candidates, SamplerContext& context) {
  if (uniform(context.random) >= context.settings[0]) return;
  const double best = candidates.best().logit;
  const double total = candidates.total_weight(best);
  const Candidate* least = nullptr;
  for (const Candidate& c : candidates.items()) {
    const bool top = Candidates::weight(c.logit, best) / total >= context.settings[1];
    if (top && (least == nullptr || better(*least, c))) least = &c;
  }
  if (least == nullptr) return;
  candidates.keep_if([bound = *least](const Candidate& c, size_t) { return !better(c, bound); });
}

}  // namespace

extern const SamplerDef xtc;
constinit const SamplerDef xtc = {
    .name = "xtc",
    .rank = 80,
    .keeps_best = false,
    .settings = kSettings,
    .active = active,
    .apply = apply,
};

}  // namespace kedge::engine::samplers
