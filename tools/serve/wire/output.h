// What requests say of an answer's form, in the words of OpenAI, llama-server and vLLM: what it has to obey, the
// functions it may call, and its reasoning.
#pragma once

#include <string>

#include "tools/serve/job.h"
#include "tools/serve/wire/members.h"

namespace kedge::tools::serve {

// "response_format", "grammar", "json_schema", "regex", "choice", "guided_*", "structured_outputs". More than one is an
// error.
void read_constraints(Members& in, Form& form);
// {"type": "text" | "json_object" | "json_schema" | "regex" | "grammar", ...}; a schema may stand in "json_schema" or
// beside "type".
void read_format(Members& in, const Json& format, const std::string& path, Form& form);
// The schema of an answer, an object or true; `path` for errors.
void require_schema(Members& in, const Json& schema, const std::string& path, Form& form);

// "tools", "tool_choice", "parallel_tool_calls"; the older "functions" and "function_call" are refused.
void read_tools(Members& in, Job& job);
// One more function; `parameters` null: it takes none. `path`: the tool's own, `schema_path` that of its parameters.
void add_tool(Members& in, Form& form, const std::string& path, const std::string& schema_path, const std::string& name,
              const Json* description, const Json* parameters);
// "tool_choice", as OpenAI's APIs have it.
void read_tool_choice(Members& in, Form& form);
// The choice of one function.
Json named_tool(const std::string& name);
// When tools and choice are read: whether they go together. Templates hear of the tools that may be called.
void finish_tools(Members& in, Job& job);

// "reasoning_effort", "enable_thinking", "thinking", "reasoning", budgets and "reasoning_format".
void read_reasoning(Members& in, Job& job);
// "none" turns reasoning off, other words are the template's to know.
void set_effort(const std::string& effort, Job& job);
// {"type": "enabled" | "disabled" | "adaptive", "budget_tokens"}
void read_thinking(Members& in, const Json& thinking, Job& job);

}  // namespace kedge::tools::serve
