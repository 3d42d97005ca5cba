// Recomputes what the question asks for, where that is a number, a day, a yes or a no.
#include "router/comparator.h"
#include "router/text_norm.h"

namespace kedge::router::comparators {
namespace {

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "arithmetic", .explanation = {}};
  const std::optional<Derived> derived = input.derived != nullptr ? *input.derived : derive(input.question);
  if (!derived || derived->is_text() || declines(input.answer)) return result;
  const auto right = says(input.answer, *derived);
  if (!right) return result;  // it may be right: nobody knows
  result.verdict = *right ? Verdict::kPass : Verdict::kFail;
  result.explanation =
      "recomputed " + derived->answer + " (" + derived->steps + "), the answer says '" + normalized(input.answer) + "'";
  return result;
}

}  // namespace

extern constinit const ComparatorDef arithmetic;
constinit const ComparatorDef arithmetic = {"arithmetic", "recomputes what the question asks for", check};

}  // namespace kedge::router::comparators
