// What `kedge ask` and `kedge check` read: texts, and passages from files.
#pragma once

#include <string>

#include "tools/command.h"

namespace kedge::tools {

// The text itself, or standard input without the line ends behind it when it is "-".
std::string text_or_stdin(const std::string& given);

// JSON lines of {"id", "text"}, blank lines left out. A Failure names the line that is none.
Json read_passages(const std::string& path);

// A file of one JSON value. A Failure when it is none, or deeper than the library reads.
Json parse_json_text(std::string_view text, const std::string& what);

}  // namespace kedge::tools
