#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return max_of(t.tokens, &TokenStats::entropy); }

}  // namespace

extern constinit const FeatureDef max_entropy;
constinit const FeatureDef max_entropy = {"max_entropy", "largest entropy of a token, nats", value};

}  // namespace kedge::router::features
