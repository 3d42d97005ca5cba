// Min-p (Nguyen et al., arXiv:2407.01082): keeps the tokens at least min_p times as likely as the most likely one.
#include <array>

#include "engine/sampler_def.h"
#include "engine/sampler_math.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 1> kSettings = {{
    {"min_p", 0.05, 0.0, 1.0, false, 0.0, "keep tokens at least this fraction as likely as the best; 0 = all"},
}};

bool active(std::span<const double> s) { return s[0] > 0.0; }

void apply(Candidates& candidates, SamplerContext& context) {
  // Below the smallest normal number nothing can be told from 0.
  if (context.settings[0] < 1e-300) return;
  const double least = candidates.best().logit + stable_log(context.settings[0]);
  candidates.keep_if([=](const Candidate& c, size_t) { return c.logit >= least; });
}

}  // namespace

extern const SamplerDef min_p;
constinit const SamplerDef min_p = {
    .name = "min_p",
    .rank = 70,
    .keeps_best = true,
    .settings = kSettings,
    .active = active,
    .apply = apply,
};

}  // namespace kedge::engine::samplers
