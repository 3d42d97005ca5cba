// The whole answer has to match the pattern of the request.
#include "kernels/base/utf8.h"
#include "router/comparator.h"
#include "router/json_value.h"
#include "router/pattern.h"

namespace kedge::router::comparators {
namespace {

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "regex", .explanation = {}};
  if (input.pattern.empty()) return result;
  KEDGE_ASSIGN(pattern, Pattern::compile(input.pattern, "the pattern", Pattern::Kind::kWhole));
  result.verdict = Verdict::kFail;
  if (const size_t valid = utf8_valid_until(input.answer, 0); valid < input.answer.size()) {
    result.explanation = "the answer is not UTF-8 at byte " + std::to_string(valid);
    return result;
  }
  MatchBudget budget;
  KEDGE_ASSIGN(matches, pattern.matches(input.answer, &budget));
  if (matches) result.verdict = Verdict::kPass;
  result.explanation = "the answer " + quoted_start(input.answer) + (matches ? " matches '" : " does not match '") +
                       std::string(input.pattern) + "'";
  return result;
}

}  // namespace

extern constinit const ComparatorDef regex;
constinit const ComparatorDef regex = {"regex", "the whole answer matches the pattern", check};

}  // namespace kedge::router::comparators
