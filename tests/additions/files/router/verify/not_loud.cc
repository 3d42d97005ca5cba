// An answer with an exclamation mark fails. For nothing but the test of additions.
#include "router/comparator.h"

namespace kedge::router::comparators {
namespace {

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "not_loud", .explanation = {}};
  if (input.answer.find('!') == std::string_view::npos) return result;
  result.verdict = Verdict::kFail;
  result.explanation = "the answer is loud";
  return result;
}

}  // namespace

extern constinit const ComparatorDef not_loud;
constinit const ComparatorDef not_loud = {"not_loud", "the answer is not loud", check};

}  // namespace kedge::router::comparators
