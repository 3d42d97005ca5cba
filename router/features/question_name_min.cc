#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return min_of(t.question_tokens, TokenPart::kName); }

}  // namespace

extern constinit const FeatureDef question_name_min;
constinit const FeatureDef question_name_min = {
    "question_name_min", "lowest log-probability of a token of the question's capitalised words", value};

}  // namespace kedge::router::features
