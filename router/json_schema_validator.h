// One run of a JsonSchema over one value: where it is, what it has found, and the work it may still do.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/json_schema.h"

namespace kedge::router {

class SchemaValidator {
 public:
  explicit SchemaValidator(const JsonSchema& schema) : schema_(schema) {}

  // After run(): an error if the work was not finished, else the violation if there is one.
  Result<std::optional<SchemaViolation>> run(const Json& value);

  // Whether the value where we are obeys. False is also the answer once an error is set.
  bool visit(const Json& schema, const Json& value);
  // The same for a member or an element.
  bool visit_member(const Json& schema, const std::string& key, const Json& value);
  bool visit_element(const Json& schema, size_t index, const Json& value);

  // Notes what is wrong and returns false.
  bool fail(std::string problem);
  bool matches(std::string_view pattern, std::string_view text);
  bool charge(uint64_t steps);
  const Json& root() const { return schema_.root_; }
  bool stopped() const { return error_.has_value(); }

  std::optional<SchemaViolation> violation;  // the last one found; of several alternatives, kept by the keyword

 private:
  bool visit_at(const Json& schema, const std::string& token, const Json& value);

  const JsonSchema& schema_;
  std::string at_;  // JSON pointer
  MatchBudget budget_{20'000'000};
  int depth_ = 0;
  std::optional<Error> error_;
};

}  // namespace kedge::router
