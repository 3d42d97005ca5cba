#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return min_of(t.tokens, &TokenStats::margin); }

}  // namespace

extern constinit const FeatureDef min_margin;
constinit const FeatureDef min_margin = {"min_margin", "smallest distance from the best logit to the second", value};

}  // namespace kedge::router::features
