// What became of a question, in words: who answered, how sure that is, what was checked, why it was given or not.
#pragma once

#include <string>

#include "tools/command.h"

namespace kedge::tools {

// Of an answer of the router (kedge_router_ask), of a record (kedge_audit_show) or of a server's answer: one form of
// all, with what is missing null or empty. A Failure names `what` when it is none of these.
Json account_of(const Json& told, const std::string& what);

// Two or three sentences, for below an answer. `account` as above, here and below.
std::string why_short(const Json& account);
// All of it, in paragraphs.
std::string why_long(const Json& account);
// As a drawing: the steps from above to below, each attempt with its measure.
std::string why_drawn(const Json& account);

// A text of the account, empty where there is none.
std::string text_of(const Json& json, const char* member);
// "value<|ref|>[ID] "quote"" as people write it.
std::string readable(const std::string& answer);

}  // namespace kedge::tools
