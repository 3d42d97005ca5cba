// Divides the logits by the temperature; at 0 only the best remains (greedy; ties go to the lowest id). With a range
// the temperature is dynamic, as llama.cpp has it: from temperature - range, where one token is certain, to temperature
// + range, where all are equal, by the entropy as a share of the highest possible one, to the power of the exponent.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/sampler_def.h"
#include "engine/sampler_math.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 3> kSettings = {{
    {"temperature", 0.8, 0.0, 100.0, false, 1.0, "divides the logits; 0 = always the most likely token"},
    {"dynatemp_range", 0.0, 0.0, 100.0, false, 0.0,
     "the temperature moves so far up and down with the entropy; 0 = stays as it is, as does temperature 0"},
    {"dynatemp_exponent", 1.0, 0.0, 100.0, false, kNeverOff, "how the share of the entropy becomes one of the range"},
}};

bool active(std::span<const double> s) { return s[0] != 1.0 || s[1] != 0.0; }

size_t n_best(std::span<const double> s) { return s[0] == 0.0 ? 1 : 0; }

// Entropy of the candidates divided by that of as many equal ones, which are two at least.
double entropy_share(const Candidates& candidates) {
  const double best = candidates.best().logit;
  const double total = candidates.total_weight(best);
  const double log_total = stable_log(total);
  double entropy = 0.0;
  for (const Candidate& c : candidates.items()) {
    const double weight = Candidates::weight(c.logit, best);
    if (weight > 0.0) entropy += weight / total * (log_total - (c.logit - best));
  }
  return std::clamp(entropy / stable_log(static_cast<double>(candidates.size())), 0.0, 1.0);
}

double power(double x, double exponent) {
  if (exponent == 0.0) return 1.0;
  return x < 1e-300 ? 0.0 : stable_exp(exponent * stable_log(x));
}

double dynamic_temperature(const Candidates& candidates, std::span<const double> s) {
  const double lowest = std::max(0.0, s[0] - s[1]);
  return lowest + (s[0] + s[1] - lowest) * power(entropy_share(candidates), s[2]);
}

void apply(Candidates& candidates, SamplerContext& context) {
  double t = context.settings[0];
  if (t > 0.0 && context.settings[1] > 0.0) {
    if (candidates.size() == 1) return;
    t = dynamic_temperature(candidates, context.settings);
  }
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
constinit const SamplerDef temperature = {
    .name = "temperature",
    .rank = 90,
    .keeps_best = false,
    .settings = kSettings,
    .active = active,
    .apply = apply,
    .n_best = n_best,
    .role = SamplerRole::kScale,
    .alias = "temp",
};

}  // namespace kedge::engine::samplers
