// The keywords of JSON Schema, drafts 4 to 2020-12, that are understood: what each one's argument has to be.
#pragma once

#include <string>
#include <string_view>

#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::engine::grammar {

enum class KeywordShape {
  kAnything,
  kText,
  kFlag,
  kFlagOrNumber,  // exclusiveMinimum: draft 4 has a flag
  kCount,         // whole, 0 or more
  kNumber,
  kPositive,  // number above 0
  kValues,    // array
  kTypes,     // name of a type, or an array of them
  kNames,     // array of strings, none twice
  kNamesByName,
  kSchema,
  kSchemas,       // array of schemas, not empty
  kSchemaOrList,  // the list may be empty
  kSchemaByName,
  kSchemaOrNamesByName,  // dependencies
};

enum class KeywordRole {
  kAsserts,
  kAnnotates,  // asserts nothing, by the specification
  kRefused,    // is known, and cannot be enforced
};

struct Keyword {
  const char* name;
  KeywordShape shape;
  KeywordRole role = KeywordRole::kAsserts;
};

const Keyword* find_keyword(std::string_view name);

// `schema` is an object or a boolean, each keyword known and its argument of its shape; schemas within it are not
// looked at. Errors name the pointer: kInvalidArgument, kUnsupported.
Status check_keywords(const Json& schema, const std::string& pointer);

std::string pointer_token(std::string_view key);  // RFC 6901, with its slash
Error schema_error(base::ErrorCode code, const std::string& pointer, const std::string& problem);

}  // namespace kedge::engine::grammar
