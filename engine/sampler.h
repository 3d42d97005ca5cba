// From logits to a token: logit bias, then the samplers of engine/sampler/ in the order of their ranks (llama.cpp's
// standard order and defaults), then one draw. All arithmetic is in double and in ascending token id, all chance is a
// function of (seed, request, position): equal inputs choose equal tokens on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
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
};

// All samplers in the order they run.
std::span<const SamplerDef* const> sampler_defs();

// Belongs to one thread at a time; no allocation once it has seen a token.
class Sampler {
 public:
  // Errors (kInvalidArgument): an unknown or repeated setting, a value outside its range, a token outside the
  // vocabulary.
  static Result<Sampler> create(const SamplerOptions& options, size_t n_vocab);

  // Chooses the token of `position` from n_vocab raw logits. `history`: the tokens before it, prompt included.
  // Errors: another number of logits (kInvalidArgument), a logit that is not finite (kInternal, names the token), all
  // tokens forbidden by the bias (kInvalidArgument).
  Result<int32_t> next(std::span<const float> logits, std::span<const int32_t> history, int position);

  // Every setting as it takes effect, in the order of sampler_defs().
  std::vector<std::pair<const char*, double>> effective() const;
  uint64_t seed() const { return seed_; }
  uint64_t request() const { return request_; }

 private:
  struct Step {  // an active sampler
    const SamplerDef* def;
    size_t first_setting;
  };

  Sampler() = default;
  Status set(const std::string& name, double value, std::vector<bool>& seen);
  void choose_steps();
  Status apply_bias(std::span<const float> logits);
  int32_t draw(int position) const;

  size_t n_vocab_ = 0;
  uint64_t seed_ = 0;
  uint64_t request_ = 0;
  std::vector<double> values_;  // of all settings of all samplers, in order
  std::vector<Step> steps_;
  bool plain_greedy_ = false;  // nothing can change which token is best
  std::vector<LogitBias> bias_;
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
