#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return t.tokens.empty() ? 0 : t.tokens[0].logprob; }

}  // namespace

extern constinit const FeatureDef first_logprob;
constinit const FeatureDef first_logprob = {"first_logprob", "log-probability of the first token", value};

}  // namespace kedge::router::features
