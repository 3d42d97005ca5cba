#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return mean_of(t.tokens, &TokenStats::logprob); }

}  // namespace

extern constinit const FeatureDef mean_logprob;
constinit const FeatureDef mean_logprob = {"mean_logprob", "mean log-probability of all tokens", value};

}  // namespace kedge::router::features
