// Adaptive-p (ddh0 and MrJackSpade, llama.cpp pull request 17927): prefers tokens whose probability is near a target,
// and moves the target against the average probability of what was drawn, so that this average comes to the target. A
// token of probability p gets the logit 5 - 10 d^2 / (1 + d), d = |p - target| / 0.3. Cut away what is unlikely first
// (min-p): far from the target all tokens are alike.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/sampler_def.h"
#include "engine/sampler_math.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 2> kSettings = {{
    {"adaptive_target", -1.0, -1.0, 1.0, false, -1.0, "prefer tokens near this probability; below 0 = off"},
    {"adaptive_decay", 0.9, 0.0, 0.99, false, kNeverOff, "weight of the past in adaptive-p: 1 / (1 - decay) tokens"},
}};

constexpr double kWidth = 0.3;
constexpr double kPeak = 5.0;
constexpr double kSharpness = 10.0;

enum State { kSum, kWeight, kStateSize };  // of the probabilities drawn, the older the less

bool active(std::span<const double> s) { return s[0] >= 0.0; }

// As if the target had always been met.
void begin(std::span<const double> s, std::span<double> state) {
  state[kWeight] = 1.0 / (1.0 - s[1]);
  state[kSum] = s[0] * state[kWeight];
}

void apply(Candidates& candidates, SamplerContext& context) {
  const double wanted = 2.0 * context.settings[0] - context.state[kSum] / context.state[kWeight];
  const double target = std::clamp(wanted, 0.0, 1.0);
  const double best = candidates.best().logit;
  const double total = candidates.total_weight(best);
  for (Candidate& c : candidates.items()) c.logit = Candidates::weight(c.logit, best) / total;
  candidates.keep_if([](const Candidate& c, size_t) { return c.logit > 0.0; });
  // Their probabilities, for observe().
  context.scratch_candidates.assign(candidates.items().begin(), candidates.items().end());
  for (Candidate& c : candidates.items()) {
    const double d = std::fabs(c.logit - target) / kWidth;
    c.logit = kPeak - kSharpness * d * d / (1.0 + d);
  }
}

void observe(const Candidate& drawn, SamplerContext& context) {
  const auto& all = context.scratch_candidates;
  const auto at = std::lower_bound(all.begin(), all.end(), drawn.id,
                                   [](const Candidate& c, int32_t wanted) { return c.id < wanted; });
  context.state[kSum] = at->logit + context.settings[1] * context.state[kSum];
  context.state[kWeight] = 1.0 + context.settings[1] * context.state[kWeight];
}

}  // namespace

extern const SamplerDef adaptive_p;
constinit const SamplerDef adaptive_p = {
    .name = "adaptive_p",
    .rank = 100,
    .keeps_best = false,
    .settings = kSettings,
    .active = active,
    .apply = apply,
    .role = SamplerRole::kSteer,
    .n_state = kStateSize,
    .begin = begin,
    .observe = observe,
};

}  // namespace kedge::engine::samplers
