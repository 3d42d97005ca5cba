// Recomputes the sum that a question asks for, and what a verifier has to say about a proposed one.
#include "router/comparator.h"
#include "router/recompute.h"
#include "router/text_norm.h"

namespace kedge::comparators {
namespace {

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "arithmetic", .explanation = {}};
  const auto expected = recompute(input.question);
  if (!expected || declines(input.answer)) return result;
  std::optional<bool> right;
  if (const auto question = parse_arithmetic(input.question)) {
    right = gives_result(input.answer, *question);
    const bool digits = input.answer.find_first_of("0123456789") != std::string_view::npos;
    if (!right && digits) return result;  // several numbers: nobody knows which is the answer
    // A number in words is not read.
    if (!right && input.answer.size() > 16) return result;
  } else {
    const std::string said = folded(bare_value(input.answer));
    if (!said.starts_with("yes") && !said.starts_with("no")) return result;
    right = said.starts_with(*expected);
  }
  result.verdict = right.value_or(false) ? Verdict::kPass : Verdict::kFail;
  result.explanation = "recomputed " + *expected + ", the answer says '" + normalized(input.answer) + "'";
  return result;
}

}  // namespace

extern constinit const ComparatorDef arithmetic;
constinit const ComparatorDef arithmetic = {"arithmetic", "recomputes the arithmetic of the question", check};

}  // namespace kedge::comparators
