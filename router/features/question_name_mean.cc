#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return mean_of(t.question_tokens, TokenPart::kName); }

}  // namespace

extern constinit const FeatureDef question_name_mean;
constinit const FeatureDef question_name_mean = {"question_name_mean",
                                                 "mean log-probability of the question's capitalised words", value};

}  // namespace kedge::router::features
