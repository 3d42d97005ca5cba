// From logits to a token: what may come at all, logit bias, then the samplers of engine/sampler/ in the order of their
// ranks (llama.cpp's standard order and defaults) or in one given, then one draw. All arithmetic is in double and in
// ascending token id, all chance is a function of (seed, request, position): equal inputs choose equal tokens on every
// machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/candidates.h"
#include "engine/sampler_def.h"
#include "kernels/base/result.h"

namespace kedge::engine {

struct LogitBias {
  int32_t token;
  float bias;  // added to the logit before anything else; -infinity forbids the token
};

struct SamplerOptions {
  std::vector<std::pair<std::string, double>> settings = {};  // by name; the others keep their initial values
  uint64_t seed = 0;
  uint64_t request = 0;
  std::vector<LogitBias> logit_bias = {};  // several for one token add up
  std::vector<int32_t> breakers = {};      // tokens that end a repeated sequence (DRY)
  // Samplers by name, in the order they run; others are off, but for those of SamplerRole::kSteer, which run last in
  // any order when their settings switch them on. Empty: all, by rank.
  std::vector<std::string> order = {};
};

// All samplers by rank.
std::span<const SamplerDef* const> sampler_defs();
// "top_k;top_p" as names; no text is no name. Whether they are known is Sampler::create()'s affair.
std::vector<std::string> split_sampler_names(std::string_view text);

// Belongs to one thread at a time; no allocation once it has seen a token.
class Sampler {
 public:
  // At temperature 0, where the temperature is among those that run, those that keep the best do not: the most likely
  // token after the others is chosen. Errors (kInvalidArgument): an unknown or repeated setting or name in the order, a
  // value outside its range, two samplers that both steer, a token outside the vocabulary.
  static Result<Sampler> create(const SamplerOptions& options, size_t n_vocab);

  // Chooses the token of `position` from n_vocab raw logits. `history`: the tokens before it, prompt included.
  // `allowed`: bits of the tokens that may come (engine/token_filter.h), n_vocab of them; empty: all. Every token
  // chosen is taken to be the answer's: a sampler may keep what it learns from it (mirostat). Errors: another number of
  // logits or bits, all tokens forbidden by the bits and the bias (kInvalidArgument), a logit that is not finite
  // (kInternal, names the token).
  Result<int32_t> next(std::span<const float> logits, std::span<const int32_t> history, int position,
                       std::span<const uint64_t> allowed = {});

  // Every setting, in the order of sampler_defs(), and the samplers that run, in their order: what another Sampler
  // needs to do the same.
  std::vector<std::pair<const char*, double>> effective() const;
  std::vector<const char*> order() const;
  uint64_t seed() const { return seed_; }
  uint64_t request() const { return request_; }

 private:
  struct Step {  // an active sampler
    const SamplerDef* def;
    size_t first_setting;
    size_t first_state;
  };

  Sampler() = default;
  Status set(const std::string& name, double value, std::vector<bool>& seen);
  Result<std::vector<Step>> ordered(const std::vector<std::string>& order) const;
  Status choose_steps(const std::vector<std::string>& order);
  void keep_best_first();
  std::span<const double> settings_of(const Step& step) const;
  SamplerContext context_of(const Step& step, std::span<const int32_t> history, int position);
  Status gather(std::span<const float> logits, std::span<const uint64_t> allowed, int position);
  Status some_left(bool masked) const;
  int32_t draw(int position) const;

  size_t n_vocab_ = 0;
  uint64_t seed_ = 0;
  uint64_t request_ = 0;
  std::vector<double> values_;  // of all settings of all samplers, in order
  std::vector<Step> steps_;
  std::vector<double> state_;  // of all that steer
  size_t n_best_ = 0;  // what the first step would do, if it only keeps so many: nothing else is made candidates
  std::vector<LogitBias> bias_;  // by token
  std::vector<uint8_t> is_breaker_;
  Candidates candidates_;
  std::vector<int32_t> scratch_;
  std::vector<Candidate> scratch_candidates_;
};

struct TokenLogprob {
  int32_t token;
  double logprob;  // natural logarithm
};

// Writes the log-probability of `chosen`, then those of the out.size() - 1 most likely tokens, best first (ties: lowest
// id), by the raw logits. out must not be larger than n_vocab + 1; `chosen` must be a token.
void log_probabilities(std::span<const float> logits, int32_t chosen, std::span<TokenLogprob> out);

// An error (kInternal) that names the first logit that is NaN or infinite.
Status check_finite(std::span<const float> logits, int position);

}  // namespace kedge::engine
