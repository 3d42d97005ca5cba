#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return min_of(t.question_tokens, TokenPart::kEnd); }

}  // namespace

extern constinit const FeatureDef question_end;
constinit const FeatureDef question_end = {"question_end", "log-probability that the question ends where it does",
                                           value};

}  // namespace kedge::router::features
