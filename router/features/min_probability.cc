#include "engine/sampler_math.h"
#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return stable_exp(min_of(t.tokens, &TokenStats::logprob)); }

}  // namespace

extern constinit const FeatureDef min_probability;
constinit const FeatureDef min_probability = {"min_probability", "lowest probability of a token", value};

}  // namespace kedge::router::features
