// Mirostat (Basu et al., arXiv:2007.14966): cuts where the surprise of what is drawn stays at tau on average. Surprise
// is -log2 of the probability before the cut, as in the paper (llama.cpp takes the probability after it, which makes
// the entropy of what is left the thing that is held). mu starts at 2 tau and loses eta times the error of every token.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/sampler_def.h"
#include "engine/sampler_math.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 3> kSettings = {{
    {"mirostat", 0, 0, 2, true, 0,
     "hold the surprise of the text: 1 = by its estimate of Zipf's law, 2 = by a bound on each token's; 0 = off. All "
     "other samplers that remove tokens are off then"},
    {"mirostat_tau", 5.0, 0.0, 100.0, false, kNeverOff, "the surprise to hold, in bits per token"},
    {"mirostat_eta", 0.1, 0.0, 1.0, false, kNeverOff, "how fast mirostat answers to an error"},
}};

constexpr double kLn2 = 0.6931471805599453;

enum State { kMu, kBest, kLogTotal, kStateSize };

bool active(std::span<const double> s) { return s[0] != 0; }

void begin(std::span<const double> s, std::span<double> state) { state[kMu] = 2.0 * s[1]; }

// Exponent of Zipf's law by least squares over the most likely (the paper's equation 30, with m = 100).
double zipf_exponent(Candidates& candidates) {
  const std::span<const Candidate> top = candidates.best(100);
  double products = 0.0;
  double squares = 0.0;
  for (size_t i = 0; i + 1 < top.size(); ++i) {
    const double t = stable_log(static_cast<double>(i + 2) / static_cast<double>(i + 1));
    products += t * (top[i].logit - top[i + 1].logit);
    squares += t * t;
  }
  return products / squares;
}

// How many of n candidates have a surprise below mu, were they of Zipf's law: k^s = e 2^mu / (1 - n^-e), e = s - 1.
size_t zipf_count(double s, double mu, size_t n) {
  const double log_n = stable_log(static_cast<double>(n));
  const double e = s - 1.0;
  // e / (1 - n^-e), which is 1 / ln n in the limit.
  const double shape = std::fabs(e) < 1e-9 ? 1.0 / log_n : e / (1.0 - stable_exp(-e * log_n));
  const double log_k = (stable_log(std::max(shape, 1e-300)) + mu * kLn2) / std::max(s, 1e-9);
  if (log_k <= 0.0) return 1;
  return log_k >= log_n ? n : static_cast<size_t>(stable_exp(log_k));
}

void apply(Candidates& candidates, SamplerContext& context) {
  const std::span<double> state = context.state;
  const Candidate best = candidates.best();
  state[kBest] = best.logit;
  state[kLogTotal] = stable_log(candidates.total_weight(best.logit));
  if (candidates.size() == 1) return;
  if (context.settings[0] == 1) {
    const size_t k = zipf_count(zipf_exponent(candidates), state[kMu], candidates.size());
    if (k < candidates.size()) candidates.keep_from(candidates.best(k).back());
    return;
  }
  const double least = std::min(best.logit, best.logit + state[kLogTotal] - state[kMu] * kLn2);
  candidates.keep_if([=](const Candidate& c, size_t) { return c.logit >= least; });
}

void observe(const Candidate& drawn, SamplerContext& context) {
  const std::span<double> state = context.state;
  const double surprise = (state[kLogTotal] - (drawn.logit - state[kBest])) / kLn2;
  state[kMu] -= context.settings[2] * (surprise - context.settings[1]);
}

}  // namespace

extern const SamplerDef mirostat;
constinit const SamplerDef mirostat = {
    .name = "mirostat",
    .rank = 110,
    .keeps_best = true,
    .settings = kSettings,
    .active = active,
    .apply = apply,
    .role = SamplerRole::kSteer,
    .n_state = kStateSize,
    .begin = begin,
    .observe = observe,
    .cuts_alone = true,
};

}  // namespace kedge::engine::samplers
