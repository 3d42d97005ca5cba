#include "router/feature.h"
#include "router/text_norm.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return declines(t.answer) ? 1 : 0; }

}  // namespace

extern constinit const FeatureDef declined;
constinit const FeatureDef declined = {"declined", "1 when the answer is that there is none", value};

}  // namespace kedge::router::features
