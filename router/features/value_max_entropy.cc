#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return max_of(t.tokens.first(t.n_value), &TokenStats::entropy); }

}  // namespace

extern constinit const FeatureDef value_max_entropy;
constinit const FeatureDef value_max_entropy = {"value_max_entropy", "largest entropy of the answer proper, nats",
                                                value};

}  // namespace kedge::router::features
