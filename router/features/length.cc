#include "engine/sampler_math.h"
#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return stable_log(1.0 + static_cast<double>(t.tokens.size())); }

}  // namespace

extern constinit const FeatureDef length;
constinit const FeatureDef length = {"length", "log of 1 + the number of tokens", value};

}  // namespace kedge::router::features
