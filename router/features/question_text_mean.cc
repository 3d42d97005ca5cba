#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return mean_of(t.question_tokens, TokenPart::kText); }

}  // namespace

extern constinit const FeatureDef question_text_mean;
constinit const FeatureDef question_text_mean = {
    "question_text_mean", "mean log-probability of what the question brings along behind a colon or question mark",
    value};

}  // namespace kedge::router::features
