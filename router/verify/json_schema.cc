// The answer is one JSON value, nothing around it, and obeys the schema of the request.
#include "router/json_schema.h"

#include "router/comparator.h"
#include "router/json_value.h"

namespace kedge::router::comparators {
namespace {

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "json_schema", .explanation = {}};
  if (input.schema == nullptr) return result;
  KEDGE_ASSIGN(schema, JsonSchema::compile(*input.schema));
  result.verdict = Verdict::kFail;
  const auto answer = parse_json(input.answer, "the answer");
  if (!answer.ok()) {  // not one JSON value, or too deep: what a model wrote is no fault of the request
    result.explanation = answer.error().message;
    return result;
  }
  KEDGE_ASSIGN(violation, schema.validate(*answer));
  if (violation) {
    result.explanation = (violation->pointer.empty() ? "the answer" : violation->pointer) + " " + violation->problem;
    return result;
  }
  result.verdict = Verdict::kPass;
  result.explanation = "the answer obeys the schema";
  return result;
}

}  // namespace

extern constinit const ComparatorDef json_schema;
constinit const ComparatorDef json_schema = {"json_schema", "the answer is JSON that obeys the schema", check};

}  // namespace kedge::router::comparators
