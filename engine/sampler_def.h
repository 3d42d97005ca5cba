// What a file of engine/sampler/ provides: its settings and one function from candidates to candidates. The file's stem
// is its key: it defines `constinit const SamplerDef <stem>` in namespace kedge::engine::samplers.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "engine/candidates.h"
#include "engine/philox.h"

namespace kedge::engine {

struct SamplerSetting {
  const char* name;  // unique among all samplers
  double initial;
  double min;  // inclusive, like max
  double max;
  bool integer;
  double off;  // the value that switches the sampler off, NaN when no single value does
  const char* doc;
};

inline constexpr double kNeverOff = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kMaxCount = 2147483647.0;

// What a sampler sees besides the candidates.
struct SamplerContext {
  std::span<const double> settings;     // in the order of SamplerDef::settings
  std::span<const int32_t> history;     // tokens before the one to be chosen, prompt included
  std::span<const uint8_t> is_breaker;  // per token id: ends a repeated sequence (DRY); empty: none does
  RandomPoint random;                   // uniform(random) is this sampler's own number for this token
  std::vector<int32_t>& scratch;        // any content; keeps its capacity from token to token, like the next
  std::vector<Candidate>& scratch_candidates;
};

struct SamplerDef {
  const char* name;
  int rank;         // samplers run in ascending rank
  bool keeps_best;  // never removes the best candidate nor changes which it is: skipped at temperature 0
  std::span<const SamplerSetting> settings;
  bool (*active)(std::span<const double> settings);
  // At least one candidate comes in and at least one must remain. All logits are finite.
  void (*apply)(Candidates& candidates, SamplerContext& context);
};

}  // namespace kedge::engine
