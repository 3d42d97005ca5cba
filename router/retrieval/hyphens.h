// Words that a line break has cut in two.
#pragma once

#include <string>
#include <string_view>

namespace kedge::router::retrieval {

// Where a line ends in a hyphen behind a letter or digit and the next one goes on with another, the second half of the
// word is moved up. The hyphen goes where it parted syllables ("main-/tenance") and stays where it belongs to the word:
// numbers, names and model names ("GPT-/4", "Smith-/Jones"), chains ("state-of-/the-art"), compounds
// ("cost-/effective"). Which of the two a lower-case word is, the rest of the text decides, if it has the word one way
// or the other; else a list of usual English compounds; else it was syllables. "Vor-/und Nachteile" keeps hyphen and
// space. A soft hyphen always goes. Lines may end in "\r\n".
std::string join_hyphenated(std::string_view text);

}  // namespace kedge::router::retrieval
