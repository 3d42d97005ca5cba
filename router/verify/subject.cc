// What the question names has to be named in the passages the answer rests on: guards against an answer about another.
#include "router/subject.h"

#include "router/citation.h"

namespace kedge::router::comparators {
namespace {

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "subject", .explanation = {}};
  if (input.evidence.empty() || declines(input.answer)) return result;
  const auto subjects = question_subjects(input.question);
  if (subjects.empty()) return result;
  std::string text;
  std::string ids;
  for (const ResolvedCitation& r : resolve_answer(input.question, input.answer, input.evidence)) {
    if (r.by == ResolvedBy::kNone) continue;
    text += normalized(input.evidence[r.evidence].text) + "\n";
    ids += (ids.empty() ? "[" : ", [") + r.resolved_id + "]";
  }
  if (ids.empty()) return result;
  result.verdict = Verdict::kPass;
  for (const std::string& subject : subjects) {
    if (names_subject(text, subject)) continue;
    result.verdict = Verdict::kFail;
    result.explanation = "the question is about '" + subject + "', which " + ids + " never names";
    return result;
  }
  result.explanation = ids + " names '" + subjects.front() + "'";
  return result;
}

}  // namespace

extern constinit const ComparatorDef subject;
constinit const ComparatorDef subject = {"subject", "the passages cited name the subject of the question", check};

}  // namespace kedge::router::comparators
