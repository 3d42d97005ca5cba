// What tools' schemas say about a parameter's type, for forms that write values without one.
#pragma once

#include <string>
#include <string_view>

#include "engine/chat_format.h"

namespace kedge::engine::chat_read {

// Types of JSON values, as bits.
enum Kinds : unsigned { kNull = 1, kBoolean = 2, kNumber = 4, kString = 8, kArray = 16, kObject = 32, kAnyKind = 63 };

// The types a schema allows, as far as type, enum, const, anyOf, oneOf, allOf and $ref within `root` say.
unsigned kinds_of(const base::Json& schema, const base::Json& root);
// `schema`, or what its $ref within `root` names; null when that names nothing.
const base::Json* resolved(const base::Json& schema, const base::Json& root);
// The tool's schema of a parameter; null when it has none.
const base::Json* parameter_schema(const ChatTool& tool, std::string_view name);
const ChatTool* find_tool(const ChatReadOptions& options, std::string_view name);

// A value written without quotes, as JSON: of a type among `kinds` where the text is one, otherwise a string.
std::string typed_value(std::string_view text, unsigned kinds);

// As the inside of a JSON string, and as one.
std::string escaped(std::string_view text);
inline std::string quoted(std::string_view text) { return '"' + escaped(text) + '"'; }

}  // namespace kedge::engine::chat_read
