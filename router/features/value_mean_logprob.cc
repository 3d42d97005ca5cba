#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return mean_of(t.tokens.first(t.n_value), &TokenStats::logprob); }

}  // namespace

extern constinit const FeatureDef value_mean_logprob;
constinit const FeatureDef value_mean_logprob = {
    "value_mean_logprob", "mean log-probability of the answer proper, before its citation", value};

}  // namespace kedge::router::features
