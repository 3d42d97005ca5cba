#include <algorithm>

#include "router/feature.h"
#include "router/words.h"

namespace kedge::router::features {
namespace {

// An answer made of the request's own words (a list put in order, an extracted id) is another kind of answer than one
// that has to be known.
double value(const AnswerTrace& t) {
  const auto answer = words(t.answer.substr(0, t.answer.find("<|")));
  if (answer.empty()) return 0;
  auto asked = words(t.question);
  std::sort(asked.begin(), asked.end());
  const auto known = std::count_if(answer.begin(), answer.end(), [&](std::string_view w) {
    return std::binary_search(asked.begin(), asked.end(), w);
  });
  return static_cast<double>(known) / static_cast<double>(answer.size());
}

}  // namespace

extern constinit const FeatureDef copied;
constinit const FeatureDef copied = {"copied", "share of the answer's words that stand in the question", value};

}  // namespace kedge::router::features
