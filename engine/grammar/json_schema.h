// JSON texts that a schema accepts, as an expression: what cannot be enforced is refused, by its JSON pointer.
#pragma once

#include <string_view>

#include "engine/grammar/grammar.h"
#include "kernels/base/json.h"

namespace kedge::engine::grammar {

struct JsonStyle {
  size_t max_spaces =
      0;  // white space between tokens: none (0), or one blank behind ',' and ':' that may be left out (1) ...
  bool any_order =
      false;  // members in any order where that is possible within the limits; otherwise as the schema lists them
  bool unlisted = false;  // also members and elements that a schema lets through by saying nothing about them
};

// `pointer`: where `schema` stands in what the client sent, for messages: "/response_format/json_schema/schema".
Result<Grammar::NodeId> read_json_schema(const base::Json& schema, std::string_view pointer, const JsonStyle& style,
                                         Grammar& into);
// Any JSON value; any JSON object.
Grammar::NodeId any_json(const JsonStyle& style, Grammar& into);
Grammar::NodeId any_json_object(const JsonStyle& style, Grammar& into);

}  // namespace kedge::engine::grammar
