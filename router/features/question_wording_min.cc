#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return min_of(t.question_tokens, TokenPart::kWording); }

}  // namespace

extern constinit const FeatureDef question_wording_min;
constinit const FeatureDef question_wording_min = {
    "question_wording_min", "lowest log-probability of a token of the question's wording", value};

}  // namespace kedge::router::features
