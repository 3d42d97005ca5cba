#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return mean_of(t.question_tokens, TokenPart::kWording); }

}  // namespace

extern constinit const FeatureDef question_wording_mean;
constinit const FeatureDef question_wording_mean = {
    "question_wording_mean", "mean log-probability of the question's words that begin small, and of punctuation",
    value};

}  // namespace kedge::router::features
