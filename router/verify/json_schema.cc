// The answer is one JSON value, nothing around it, and obeys the schema of the request.
#include "router/json_schema.h"

#include <set>
#include <vector>

#include "router/comparator.h"
#include "router/json_value.h"

namespace kedge::comparators {
namespace {

// Finds what parse_json() forgives or cannot place: a member named twice, and where a text stops being JSON.
class Scan : public nlohmann::json_sax<Json> {
 public:
  std::string problem;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override {
    names_.emplace_back();
    return true;
  }
  bool key(string_t& name) override {
    if (names_.back().insert(name).second) return true;
    problem = "the answer has the member " + quoted_start(name) + " twice in one object";
    return false;
  }
  bool end_object() override {
    names_.pop_back();
    return true;
  }
  bool start_array(size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(size_t position, const std::string& token, const nlohmann::detail::exception&) override {
    problem = "the answer is not one JSON value: byte " + std::to_string(position) + ", at " + quoted_start(token);
    return false;
  }

 private:
  std::vector<std::set<std::string>> names_;
};

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "json_schema", .explanation = {}};
  if (input.schema == nullptr) return result;
  KEDGE_ASSIGN(schema, JsonSchema::compile(*input.schema));
  result.verdict = Verdict::kFail;
  Scan scan;
  if (!Json::sax_parse(input.answer, &scan)) {
    result.explanation = scan.problem;
    return result;
  }
  const auto answer = parse_json(input.answer, "the answer");
  if (!answer.ok()) {  // too deep: what a model wrote is no fault of the request
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

}  // namespace kedge::comparators
