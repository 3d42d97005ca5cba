#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return mean_of(t.tokens, &TokenStats::entropy); }

}  // namespace

extern constinit const FeatureDef mean_entropy;
constinit const FeatureDef mean_entropy = {"mean_entropy", "mean entropy of the tokens, nats", value};

}  // namespace kedge::router::features
