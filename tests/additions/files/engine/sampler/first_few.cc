// Keeps the n most likely tokens. For nothing but the test of additions.
#include <array>

#include "engine/sampler_def.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 1> kSettings = {{
    {"first_few", 0, 0, kMaxCount, true, 0, "keep the first few tokens; 0 = all"},
}};

bool active(std::span<const double> s) { return s[0] > 0; }

void apply(Candidates& candidates, SamplerContext& context) {
  const auto n = static_cast<size_t>(context.settings[0]);
  if (n < candidates.size()) candidates.keep_from(candidates.best(n).back());
}

}  // namespace

extern const SamplerDef first_few;
constinit const SamplerDef first_few = {"first_few", 45, true, kSettings, active, apply};

}  // namespace kedge::engine::samplers
