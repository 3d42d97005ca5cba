// Every citation has to resolve to a passage. That it does says nothing for the answer: the other checks do that.
#include "router/citation.h"

#include "router/text_norm.h"

namespace kedge::router::comparators {
namespace {

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "citation", .explanation = {}};
  if (input.evidence.empty() || declines(input.answer)) return result;
  for (const ResolvedCitation& c : resolve_answer(input.question, input.answer, input.evidence)) {
    if (c.by != ResolvedBy::kNone) continue;
    result.verdict = Verdict::kFail;
    result.explanation = "no passage is [" + c.citation.id + "] or holds what is cited from it";
    break;
  }
  return result;
}

}  // namespace

extern constinit const ComparatorDef citation;
constinit const ComparatorDef citation = {"citation", "every citation resolves to a passage", check};

}  // namespace kedge::router::comparators
