#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return min_of(t.tokens.first(t.n_value), &TokenStats::margin); }

}  // namespace

extern constinit const FeatureDef value_min_margin;
constinit const FeatureDef value_min_margin = {"value_min_margin", "smallest margin of the answer proper", value};

}  // namespace kedge::router::features
