#include "router/feature.h"

namespace kedge::router::features {
namespace {

double value(const AnswerTrace& t) {
  size_t foreign = 0;
  for (const char c : t.question) foreign += (static_cast<unsigned char>(c) & 0x80U) != 0 ? 1 : 0;
  return t.question.empty() ? 0 : static_cast<double>(foreign) / static_cast<double>(t.question.size());
}

}  // namespace

extern constinit const FeatureDef question_foreign;
constinit const FeatureDef question_foreign = {"question_foreign", "share of the question's bytes that are not ASCII",
                                               value};

}  // namespace kedge::router::features
