#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return mean_of(t.question_tokens, TokenPart::kNumber); }

}  // namespace

extern constinit const FeatureDef question_number_mean;
constinit const FeatureDef question_number_mean = {"question_number_mean",
                                                   "mean log-probability of the question's numbers", value};

}  // namespace kedge::router::features
