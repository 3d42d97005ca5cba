#include "engine/sampler_math.h"
#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return stable_exp(min_of(t.tokens.first(t.n_value), &TokenStats::logprob)); }

}  // namespace

extern constinit const FeatureDef value_min_probability;
constinit const FeatureDef value_min_probability = {"value_min_probability",
                                                    "lowest probability of a token of the answer proper", value};

}  // namespace kedge::router::features
