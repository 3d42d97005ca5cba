// The keywords of JsonSchema: what each one's argument has to be, and what it asks of a value.
#pragma once

#include <string>
#include <string_view>

#include "router/json_schema.h"

namespace kedge::router {

class SchemaValidator;

enum class SchemaShape {
  kAnything,
  kText,
  kFlag,
  kCount,  // whole, 0 or more
  kNumber,
  kPositive,     // number above 0
  kValues,       // array, not empty
  kTypes,        // name of a type, or an array of them
  kNames,        // array of strings, none twice
  kNamesByName,  // object of such arrays
  kPattern,
  kReference,
  kSchema,
  kSchemas,       // array of schemas, not empty
  kSchemaOrList,  // the list may be empty
  kSchemaByName,
  kSchemaByPattern,
};

struct SchemaKeyword {
  const char* name;
  SchemaShape shape;
  bool in_place;  // its schemas see the same value, so a circle of them would never end
  // Whether `value` obeys; null: the keyword asks nothing by itself.
  bool (*obeys)(SchemaValidator& v, const Json& schema, const Json& argument, const Json& value);
};

const SchemaKeyword* find_schema_keyword(std::string_view name);

inline constexpr int kMaxSchemaDepth = 64;    // of a schema's text
inline constexpr int kMaxInPlaceDepth = 128;  // schemas that see one value, one through the other

// The schema a $ref leads to. Errors: kUnsupported (not one of the three forms), kInvalidArgument (nothing there).
Result<const Json*> resolve_schema_ref(const Json& root, std::string_view reference);

}  // namespace kedge::router
