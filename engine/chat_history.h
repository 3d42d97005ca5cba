// Tool calls that a conversation replays: clients send their arguments as a text of JSON, templates want what it says.
#pragma once

#include <string>

#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::engine {

enum class ArgumentForm {
  kObject,  // parsed: what most templates need, and all but old ones take
  kText,    // JSON as text, as it was sent where it was
  kProbe,   // an object that is easily seen in what a template makes of it
};
// How a template that prints an object as Python would prints the probe.
inline constexpr const char* kPrintedProbe = "{'kedge_argument': 0}";

// The arguments of a message's calls in this form; `name` is the message's in errors ("messages[3]"). Whether there
// were any. An empty text is an object without members. Errors: kInvalidArgument (not a JSON object, nor the text of
// one), by the call's index.
Result<bool> set_arguments(base::Json& message, const std::string& name, ArgumentForm form);

}  // namespace kedge::engine
