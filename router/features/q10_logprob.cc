#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return quantile_of(t.tokens, &TokenStats::logprob, 0.10); }

}  // namespace

extern constinit const FeatureDef q10_logprob;
constinit const FeatureDef q10_logprob = {"q10_logprob", "tenth percentile of the log-probabilities", value};

}  // namespace kedge::router::features
