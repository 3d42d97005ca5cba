#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) { return static_cast<double>(t.checks_passed); }

}  // namespace

extern constinit const FeatureDef checks_passed;
constinit const FeatureDef checks_passed = {"checks_passed", "comparators that passed the answer", value};

}  // namespace kedge::router::features
