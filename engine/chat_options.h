// What a request says about tools and reasoning, from JSON.
#pragma once

#include <string_view>

#include "engine/chat_format.h"
#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::engine {

// The object that kedge_chat_reader_create takes. Errors: kInvalidArgument, by the member's JSON pointer; kUnsupported
// (a kind of tools that no model calls).
Result<ChatReadOptions> read_chat_options(const base::Json& json, const ChatFormat& format);

// Whether a rendered chat ends within reasoning, which the template opened.
bool ends_in_reasoning(std::string_view prompt, const ChatFormat& format);

// Whether a chat template has reasoning: one that never mentions it is of a model that does not reason, whatever its
// family does.
bool has_reasoning(std::string_view chat_template, const ChatFormat& format);

}  // namespace kedge::engine
