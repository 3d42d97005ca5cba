#include "engine/sampler_math.h"
#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return stable_log(1.0 + static_cast<double>(t.question_tokens.size())); }

}  // namespace

extern constinit const FeatureDef question_length;
constinit const FeatureDef question_length = {
    "question_length", "log of 1 + the number of the question's tokens that were looked at", value};

}  // namespace kedge::router::features
