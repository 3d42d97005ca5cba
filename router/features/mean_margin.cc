#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return mean_of(t.tokens, &TokenStats::margin); }

}  // namespace

extern constinit const FeatureDef mean_margin;
constinit const FeatureDef mean_margin = {"mean_margin", "mean distance from the best logit to the second", value};

}  // namespace kedge::router::features
