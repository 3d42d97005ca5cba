// Locally typical sampling (Meister et al., arXiv:2202.00666): keeps the tokens whose surprise is nearest to the
// entropy, until their probabilities exceed p. May drop the most likely token.
#include <array>
#include <cmath>

#include "engine/sampler_def.h"
#include "engine/sampler_math.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 1> kSettings = {{
    {"typical_p", 1.0, 0.0, 1.0, false, 1.0, "keep the most typical tokens up to this probability; 1 = off"},
}};

bool active(std::span<const double> s) { return s[0] < 1.0; }

void apply(Candidates& candidates, SamplerContext& context) {
  const double best = candidates.best().logit;
  const double total = candidates.total_weight(best);
  const double log_total = stable_log(total);
  const auto surprise = [=](const Candidate& c) { return log_total - (c.logit - best); };
  double entropy = 0.0;
  for (const Candidate& c : candidates.items()) {
    entropy += Candidates::weight(c.logit, best) / total * surprise(c);
  }
  // Candidates again, with minus the distance in the place of the logit: ranking is by distance, then by id.
  std::vector<Candidate>& distances = context.scratch_candidates;
  distances.assign(candidates.items().begin(), candidates.items().end());
  for (Candidate& d : distances) d.logit = -std::fabs(surprise(d) - entropy);
  double sum = 0.0;
  Candidate last = distances.front();
  candidates.descend(distances, [&](const Candidate& d) {
    last = d;
    sum += Candidates::weight(candidates.find(d.id)->logit, best) / total;
    return sum <= context.settings[0];
  });
  candidates.keep_if([&](const Candidate&, size_t i) { return !better(last, distances[i]); });
}

}  // namespace

extern const SamplerDef typical;
constinit const SamplerDef typical = {
    .name = "typical",
    .rank = 50,
    .keeps_best = false,
    .settings = kSettings,
    .active = active,
    .apply = apply,
    .alias = "typ_p",
};

}  // namespace kedge::engine::samplers
