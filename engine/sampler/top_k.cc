// Keeps the k most likely tokens; ties at the border go to the lowest ids.
#include <array>

#include "engine/sampler_def.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 1> kSettings = {{
    {"top_k", 40, 0, kMaxCount, true, 0, "keep the k most likely tokens; 0 = all"},
}};

bool active(std::span<const double> s) { return s[0] > 0; }

void apply(Candidates& candidates, SamplerContext& context) {
  const auto k = static_cast<size_t>(context.settings[0]);
  if (k >= candidates.size()) return;
  candidates.keep_from(candidates.best(k).back());
}

}  // namespace

extern const SamplerDef top_k;
constinit const SamplerDef top_k = {"top_k", 40, true, kSettings, active, apply};

}  // namespace kedge::engine::samplers
