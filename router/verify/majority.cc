// The answer has to be what more than half of all answers to the question say.
#include <algorithm>

#include "router/citation.h"

namespace kedge::router::comparators {
namespace {

// Ids are often wrong where values are right, so only values vote.
std::string vote_of(std::string_view answer) {
  if (declines(answer)) return {};
  return folded(bare_value(parse_answer(answer, {}).value));
}

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "majority", .explanation = {}};
  if (input.samples.empty()) return result;
  const std::string vote = vote_of(input.answer);
  const auto same = std::count_if(input.samples.begin(), input.samples.end(),
                                  [&](const std::string& sample) { return vote_of(sample) == vote; }) +
                    1;
  const auto total = static_cast<std::ptrdiff_t>(input.samples.size()) + 1;
  result.verdict = 2 * same > total ? Verdict::kPass : Verdict::kFail;
  result.explanation = std::to_string(same) + " of " + std::to_string(total) + " answers agree";
  return result;
}

}  // namespace

extern constinit const ComparatorDef majority;
constinit const ComparatorDef majority = {"majority", "more than half of the samples agree", check};

}  // namespace kedge::router::comparators
