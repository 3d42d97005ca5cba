// What a question is about, by its spelling alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kedge::router {

// Quoted terms, identifiers (DOC-83FA21, parse_header) and names of several capitalised words; if there are none,
// single capitalised words; if there are none of these either, numbers of three digits and more. Normalised, in the
// order of the question, without repetitions. "In what year was Linnea Ashgate born?" gives {"Linnea Ashgate"}.
std::vector<std::string> question_subjects(std::string_view question);

// Whether the name stands in the (normalised) text, also as "Ashgate, Linnea" and with initials ("Linnea M. Ashgate").
bool names_subject(std::string_view text, std::string_view subject);

}  // namespace kedge::router
