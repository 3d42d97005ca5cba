#include "engine/sampler_math.h"
#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return stable_log(1.0 + static_cast<double>(t.n_value)); }

}  // namespace

extern constinit const FeatureDef value_length;
constinit const FeatureDef value_length = {"value_length", "log of 1 + the number of tokens of the answer proper",
                                           value};

}  // namespace kedge::router::features
