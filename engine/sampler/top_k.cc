// Keeps the k most likely tokens; ties at the border go to the lowest ids.
#include <array>

#include "engine/sampler_def.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 1> kSettings = {{
    {"top_k", 40, 0, kMaxCount, true, 0, "keep the k most likely tokens; 0 = all"},
}};

bool active(std::span<const double> s) { return s[0] > 0; }

size_t n_best(std::span<const double> s) { return static_cast<size_t>(s[0]); }

void apply(Candidates& candidates, SamplerContext& context) {
  const auto k = static_cast<size_t>(context.settings[0]);
  if (k >= candidates.size()) return;
  candidates.keep_from(candidates.best(k).back());
}

}  // namespace

extern const SamplerDef top_k;
constinit const SamplerDef top_k = {
    .name = "top_k",
    .rank = 40,
    .keeps_best = true,
    .settings = kSettings,
    .active = active,
    .apply = apply,
    .n_best = n_best,
};

}  // namespace kedge::engine::samplers
