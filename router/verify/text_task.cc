// Does what the request asks of a text (reverse, sort, copy, ...) and compares.
#include "router/comparator.h"
#include "router/text_norm.h"

namespace kedge::router::comparators {
namespace {

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "text_task", .explanation = {}};
  const std::optional<Derived> derived = input.derived != nullptr ? *input.derived : derive(input.question);
  if (!derived || !derived->is_text()) return result;
  const auto right = says(input.answer, *derived);
  if (!right) return result;
  result.verdict = *right ? Verdict::kPass : Verdict::kFail;
  result.explanation =
      derived->kind + " gives '" + derived->answer + "', the answer says '" + normalized(input.answer) + "'";
  return result;
}

}  // namespace

extern constinit const ComparatorDef text_task;
constinit const ComparatorDef text_task = {"text_task", "does with the text what the request asks for", check};

}  // namespace kedge::router::comparators
