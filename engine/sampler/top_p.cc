// Nucleus sampling (Holtzman et al., arXiv:1904.09751): keeps the most likely tokens until their probabilities reach p.
#include <array>

#include "engine/sampler_def.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 1> kSettings = {{
    {"top_p", 0.95, 0.0, 1.0, false, 1.0, "keep the most likely tokens up to this probability; 1 = all"},
}};

bool active(std::span<const double> s) { return s[0] < 1.0; }

void apply(Candidates& candidates, SamplerContext& context) {
  const double best = candidates.best().logit;
  const double total = candidates.total_weight(best);
  double sum = 0.0;
  Candidate last = candidates.items().front();
  candidates.descend(candidates.items(), [&](const Candidate& c) {
    last = c;
    sum += Candidates::weight(c.logit, best) / total;
    return sum < context.settings[0];
  });
  candidates.keep_from(last);
}

}  // namespace

extern const SamplerDef top_p;
constinit const SamplerDef top_p = {
    .name = "top_p",
    .rank = 60,
    .keeps_best = true,
    .settings = kSettings,
    .active = active,
    .apply = apply,
    .alias = "nucleus",
};

}  // namespace kedge::engine::samplers
