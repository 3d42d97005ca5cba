#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return min_of(t.tokens.first(t.n_value), &TokenStats::logprob); }

}  // namespace

extern constinit const FeatureDef value_min_logprob;
constinit const FeatureDef value_min_logprob = {"value_min_logprob", "lowest log-probability of the answer proper",
                                                value};

}  // namespace kedge::router::features
