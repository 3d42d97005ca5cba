// Values of a JSON schema in Gemma's notation: {key:<|"|>text<|"|>,other:[1,true]}, members in the order of their
// names, as its templates have them.
#pragma once

#include <string>

#include "engine/chat_read/call_grammar.h"

namespace kedge::engine::chat_read {

// The object a schema describes; null: any. Errors: kUnsupported (a keyword that cannot be enforced), by its pointer.
Result<NodeId> gemma_object(const base::Json& schema, const std::string& pointer, Grammar& into);

}  // namespace kedge::engine::chat_read
