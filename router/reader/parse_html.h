// The visible text of a page. Runs in kedge-reader only: the parser has no limits of its own, so that what it may use
// is the process's affair.
#pragma once

#include <string>
#include <string_view>

#include "router/retrieval/document.h"

namespace kedge::router::retrieval {

// As read_html() (document.h). Ends the process with reader::kOutOfMemory when memory runs out. Errors:
// kInvalidArgument for what is not UTF-8, kCapacity for elements nested more than 512 deep.
Result<Document> parse_html(std::string_view bytes, const std::string& name);

}  // namespace kedge::router::retrieval
