#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return min_of(t.tokens, &TokenStats::top_mass); }

}  // namespace

extern constinit const FeatureDef min_top_mass;
constinit const FeatureDef min_top_mass = {"min_top_mass",
                                           "smallest probability of the ten most likely tokens together", value};

}  // namespace kedge::router::features
