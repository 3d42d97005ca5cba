// Every call of the answer names a function that there is, with arguments that obey its schema.
#include "router/comparator.h"
#include "router/json_schema.h"

namespace kedge::router::comparators {
namespace {

const Json* function_named(const Json& tools, const Json& name) {
  for (const Json& tool : tools) {
    if (*tool.pointee("/function/name") == name) return tool.pointee("/function");
  }
  return nullptr;
}

// What is wrong with a call; empty: nothing.
Result<std::string> problem_of(const Json& tools, const Json& call) {
  const std::string name = call["name"];
  const Json* function = function_named(tools, call["name"]);
  if (function == nullptr) return "there is no function '" + name + "'";
  const auto arguments = parse_json(call["arguments"].get_ref<const std::string&>(), "the arguments");
  if (!arguments.ok()) return "of '" + name + "': " + arguments.error().message;
  const Json* parameters = function->pointee("/parameters");
  if (parameters == nullptr || parameters->is_null()) return std::string();
  KEDGE_ASSIGN(schema, JsonSchema::compile(*parameters));
  KEDGE_ASSIGN(violation, schema.validate(*arguments));
  if (!violation) return std::string();
  return "of '" + name + "': " + (violation->pointer.empty() ? "the arguments" : violation->pointer) + " " +
         violation->problem;
}

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "tool_call", .explanation = {}};
  if (input.tools == nullptr || input.calls == nullptr) return result;
  if (input.calls->empty() && !input.call_required) return result;
  result.verdict = Verdict::kFail;
  if (!input.broken_call.empty()) {
    result.explanation = input.broken_call;
    return result;
  }
  if (input.calls->empty()) {
    result.explanation = "a call was asked for, and there is none";
    return result;
  }
  for (const Json& call : *input.calls) {
    KEDGE_ASSIGN(problem, problem_of(*input.tools, call));
    if (problem.empty()) continue;
    result.explanation = std::move(problem);
    return result;
  }
  result.verdict = Verdict::kPass;
  result.explanation = std::to_string(input.calls->size()) + " calls obey the schemas of their functions";
  return result;
}

}  // namespace

extern constinit const ComparatorDef tool_call;
constinit const ComparatorDef tool_call = {"tool_call",
                                           "calls are of functions there are, arguments obey their schemas", check};

}  // namespace kedge::router::comparators
