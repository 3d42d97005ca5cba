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
  std::span<const double> settings;            // in the order of SamplerDef::settings
  std::span<const int32_t> history;            // tokens before the one to be chosen, prompt included
  std::span<const uint8_t> is_breaker;         // per token id: ends a repeated sequence (DRY); empty: none does
  RandomPoint random;                          // uniform(random) is this sampler's own number for this token
  std::vector<int32_t>& scratch;               // any content; keeps its capacity from token to token, like the next
  std::vector<Candidate>& scratch_candidates;  // what a sampler of role kSteer leaves in it is there when it observes
  std::span<double> state = {};                // SamplerDef::n_state numbers
};

enum class SamplerRole {
  kScale,  // changes logits, removes nobody
  kCut,    // removes candidates
  kSteer,  // goes by what was drawn before: runs behind all others, wherever an order names it, one of them at most
};

struct SamplerDef {
  const char* name;
  int rank;         // where no order is given, samplers run in ascending rank
  bool keeps_best;  // never removes the best candidate nor changes which it is: skipped at temperature 0
  std::span<const SamplerSetting> settings;
  bool (*active)(std::span<const double> settings);
  // At least one candidate comes in and at least one must remain. All logits are finite.
  void (*apply)(Candidates& candidates, SamplerContext& context);
  // If all that apply() does with these settings is to keep the n best: n; otherwise 0. Where it comes first, no list
  // of all tokens is made for it.
  size_t (*n_best)(std::span<const double> settings) = nullptr;
  SamplerRole role = SamplerRole::kCut;
  const char* alias = nullptr;  // the name it has elsewhere

  // The rest is for role kSteer: `state` belongs to one answer, begin() makes what it is before the first token, and
  // observe() is told what was drawn, with the logit that it was drawn by.
  size_t n_state = 0;
  void (*begin)(std::span<const double> settings, std::span<double> state) = nullptr;
  void (*observe)(const Candidate& drawn, SamplerContext& context) = nullptr;
  bool cuts_alone = false;  // while it is on, those of role kCut are off
};

}  // namespace kedge::engine
