#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return min_of(t.tokens, &TokenStats::logprob); }

}  // namespace

extern constinit const FeatureDef min_logprob;
constinit const FeatureDef min_logprob = {"min_logprob", "lowest log-probability of a token", value};

}  // namespace kedge::router::features
