// Repetition, frequency and presence penalties over the last tokens, as llama.cpp applies them.
#include <algorithm>
#include <array>

#include "engine/sampler_def.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 4> kSettings = {{
    {"repeat_last_n", 64, -1, kMaxCount, true, 0, "tokens the penalties look back on; -1 = all"},
    {"repeat_penalty", 1.0, 0.01, 100.0, false, kNeverOff,
     "divides positive logits of tokens seen before, multiplies negative ones; 1 = none"},
    {"frequency_penalty", 0.0, -100.0, 100.0, false, kNeverOff, "subtracted once per occurrence"},
    {"presence_penalty", 0.0, -100.0, 100.0, false, kNeverOff, "subtracted once when the token occurred"},
}};

bool active(std::span<const double> s) { return s[0] != 0 && (s[1] != 1.0 || s[2] != 0.0 || s[3] != 0.0); }

void apply(Candidates& candidates, SamplerContext& context) {
  const double last_n = context.settings[0];
  size_t n = context.history.size();
  if (last_n >= 0) n = std::min(n, static_cast<size_t>(last_n));
  const auto recent = context.history.last(n);
  context.scratch.assign(recent.begin(), recent.end());
  std::sort(context.scratch.begin(), context.scratch.end());
  for (size_t i = 0; i < n;) {
    size_t end = i;
    while (end < n && context.scratch[end] == context.scratch[i]) ++end;
    if (Candidate* c = candidates.find(context.scratch[i])) {
      c->logit = c->logit <= 0 ? c->logit * context.settings[1] : c->logit / context.settings[1];
      c->logit -= static_cast<double>(end - i) * context.settings[2] + context.settings[3];
    }
    i = end;
  }
}

}  // namespace

extern const SamplerDef penalties;
constinit const SamplerDef penalties = {
    .name = "penalties",
    .rank = 10,
    .keeps_best = false,
    .settings = kSettings,
    .active = active,
    .apply = apply,
    .role = SamplerRole::kScale,
};

}  // namespace kedge::engine::samplers
