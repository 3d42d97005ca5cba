#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return static_cast<double>(t.checks_failed); }

}  // namespace

extern constinit const FeatureDef checks_failed;
constinit const FeatureDef checks_failed = {"checks_failed", "comparators that failed the answer", value};

}  // namespace kedge::router::features
