// Top-n-sigma (Tang et al., arXiv:2411.07641): keeps the logits within n standard deviations of the highest.
#include <array>
#include <cmath>

#include "engine/sampler_def.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 1> kSettings = {{
    {"top_n_sigma", -1.0, -1.0, 1000.0, false, -1.0,
     "keep logits within this many standard deviations of the highest; 0 or less = off"},
}};

bool active(std::span<const double> s) { return s[0] > 0.0; }

void apply(Candidates& candidates, SamplerContext& context) {
  const auto n = static_cast<double>(candidates.size());
  double sum = 0.0;
  for (const Candidate& c : candidates.items()) sum += c.logit;
  const double mean = sum / n;
  double squares = 0.0;
  for (const Candidate& c : candidates.items()) squares += (c.logit - mean) * (c.logit - mean);
  const double least = candidates.best().logit - context.settings[0] * std::sqrt(squares / n);
  candidates.keep_if([=](const Candidate& c, size_t) { return c.logit >= least; });
}

}  // namespace

extern const SamplerDef top_n_sigma;
constinit const SamplerDef top_n_sigma = {
    .name = "top_n_sigma",
    .rank = 30,
    .keeps_best = true,
    .settings = kSettings,
    .active = active,
    .apply = apply,
};

}  // namespace kedge::engine::samplers
