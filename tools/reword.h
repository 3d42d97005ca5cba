// The same question in other words, as people type: what calibration is fitted on, and other ways it is tested with.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace kedge::tools {

// Held out: never part of a fit. "tell" (Please tell me: ...), "polite" (a sentence around it), "lower" (lower case),
// "joined" (sums without blanks), "bare" (nothing but the sum).
std::span<const std::string_view> heldout_rewordings();
// Of fits: "hello", "thanks", "shout", "unstopped", "typo", "spaced", "need", "short".
std::span<const std::string_view> fit_rewordings();

// What stands behind a colon or question mark is work to be done, and stays as it is. The same text for the same
// arguments on every machine; unchanged where the kind does not apply. `kind` is one of those above.
std::string reworded(const std::string& question, std::string_view kind);

}  // namespace kedge::tools
