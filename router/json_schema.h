// JSON Schema, the part that structured outputs are described with, after draft 2020-12 (the tuples of draft 7 too).
// A keyword that is not known is an error: a schema that is half understood would pass what it forbids.
//   types     type, enum, const
//   numbers   minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf
//   strings   minLength, maxLength (characters), pattern (ECMAScript's syntax, matched by PCRE2)
//   arrays    items (schema, or list as in draft 7), prefixItems, additionalItems, contains, minItems, maxItems,
//   uniqueItems objects   properties, patternProperties, additionalProperties, propertyNames, required,
//   dependentRequired,
//             minProperties, maxProperties
//   together  allOf, anyOf, oneOf, not, if, then, else, $ref to #, #/$defs/NAME and #/definitions/NAME (what stands
//   beside
//             a $ref counts)
//   no effect title, description, default, examples, format, deprecated, readOnly, writeOnly, $comment, $schema, and
//   $id
//             at the top
#pragma once

#include <map>
#include <optional>
#include <string>

#include "kernels/base/json.h"
#include "kernels/base/result.h"
#include "router/pattern.h"

namespace kedge::router {

struct SchemaViolation {
  std::string pointer;  // JSON pointer into the value; empty: the value itself
  std::string problem;  // one line with the two values: what is there, what the schema wants and where it says so
};

class JsonSchema {
 public:
  // Errors: kInvalidArgument (not a schema; a $ref that leads nowhere or in place back to itself), kUnsupported (an
  // unknown keyword or another kind of $ref), kCapacity (deeper than 64). All name the place as a JSON pointer.
  static Result<JsonSchema> compile(const Json& schema);

  // The first violation, or nothing. Errors: kCapacity (the work or depth that a check may take).
  Result<std::optional<SchemaViolation>> validate(const Json& value) const;

 private:
  friend class SchemaCheck;
  friend class SchemaValidator;
  explicit JsonSchema(Json root) : root_(std::move(root)) {}

  Json root_;
  std::map<std::string, Pattern, std::less<>> patterns_;  // by their text
};

}  // namespace kedge::router
