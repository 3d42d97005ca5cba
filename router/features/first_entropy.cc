#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return t.tokens.empty() ? 0 : t.tokens[0].entropy; }

}  // namespace

extern constinit const FeatureDef first_entropy;
constinit const FeatureDef first_entropy = {"first_entropy", "entropy of the first token, nats", value};

}  // namespace kedge::router::features
