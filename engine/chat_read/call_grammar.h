// The texts of calls as expressions of a grammar: what formats share.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "engine/chat_format.h"
#include "engine/chat_read/xml_calls.h"
#include "engine/grammar/json_schema.h"

namespace kedge::engine::chat_read {

using grammar::Grammar;
using NodeId = Grammar::NodeId;

// JSON as models write it: one blank behind ',' and ':', or none.
inline constexpr grammar::JsonStyle kCallStyle = {.max_spaces = 1};

// One of the tools that may be called: the choice says which. Errors: kInvalidArgument (no such tool).
Result<NodeId> any_tool(const ChatReadOptions& options, Grammar& into,
                        const std::function<Result<NodeId>(const ChatTool& tool, const std::string& pointer)>& call);
// One, or more where calls may be parallel, with `between` between them.
NodeId one_or_more(const ChatReadOptions& options, NodeId one, NodeId between, Grammar& into);

// The arguments as a JSON object. `pointer`: of the tool's parameters.
Result<NodeId> json_arguments(const ChatTool& tool, const std::string& pointer, Grammar& into);
// {"name": NAME, "arguments": {...}} with those names for the members, NAME quoted.
Result<NodeId> json_call(const ChatReadOptions& options, std::string_view name, std::string_view arguments,
                         Grammar& into);

// An argument of a form that writes one after the other.
struct Argument {
  std::string name;          // empty: any name, of an object that lists none
  const base::Json* schema;  // null: any value
  std::string pointer;
  bool required;
};
// Of an object's schema, which may refer to `root`, as it lists them. Errors: kUnsupported (no plain object's).
Result<std::vector<Argument>> arguments_of(const base::Json& schema, const base::Json& root,
                                           const std::string& pointer);
// The values of an argument: JSON by its schema, which may refer to `root`.
Result<NodeId> json_value(const Argument& argument, const base::Json& root, Grammar& into);
// A string written as it is, without `end` in it. Errors: kUnsupported (a keyword that cannot be enforced).
Result<NodeId> plain_string(const base::Json* schema, const std::string& pointer, std::string_view end, Grammar& into);
// Any text without `end` in it.
NodeId text_without(std::string_view end, Grammar& into);

// Parts with a separator between them, some of which may be left out.
struct Part {
  NodeId node;
  bool required;
};
NodeId separated(std::span<const Part> parts, std::string_view separator, Grammar& into);

// A tool's call with tags, from name_begin to call_end. `line`: what stands between its parts.
Result<NodeId> xml_call(const XmlCallForm& form, std::string_view line, const ChatReadOptions& options, Grammar& into);

}  // namespace kedge::engine::chat_read
