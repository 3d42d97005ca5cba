// How a question is worded: its words in pairs, names and numbers as such. Questions of one kind share most pairs,
// whatever they ask about; a pair that no calibration question has is a sign of another kind.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kedge::router {

// What is asked, where the message also holds passages behind <|doc|>, or proposes an answer: behind "Question: ".
// Otherwise all of it.
std::string_view asked_part(std::string_view message);

// Where what a question brings along begins: behind its first colon or question mark. npos: it brings nothing.
size_t brought_text(std::string_view question);

// Names are words that begin with a capital, the first one only when it is none of `openers` (sorted); neighbouring
// ones are one name, "@". Words with a digit are "#". "^" begins a question, "$" ends it, ">" what it brings along.
// "When was Ada Marquist born?" gives "^ When", "When was", "was @", "@ born", "born ?", "? $".
std::vector<std::string> wording_pairs(std::string_view question, std::span<const std::string> openers);

bool begins_upper(std::string_view word);  // with a capital letter, of any alphabet

// The first word; empty where it begins with no capital.
std::string_view opening_word(std::string_view question);

}  // namespace kedge::router
