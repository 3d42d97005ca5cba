#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return quantile_of(t.tokens, &TokenStats::logprob, 0.25); }

}  // namespace

extern constinit const FeatureDef q25_logprob;
constinit const FeatureDef q25_logprob = {"q25_logprob", "first quartile of the log-probabilities", value};

}  // namespace kedge::router::features
