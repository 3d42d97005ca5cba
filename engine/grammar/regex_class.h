// Classes of characters in regular expressions: \d and its like, and properties of Unicode.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "engine/grammar/grammar.h"

namespace kedge::engine::grammar {

// Of \d, \w and \s (ECMA 262, CharacterClassEscape, without the i flag); empty for other letters.
std::vector<CharRange> class_escape(char32_t letter);
// Of \p{name}: a general category by its short or long name, with "gc=" or "General_Category=" in front or not; Any,
// ASCII. Nothing: it is not known.
std::optional<std::vector<CharRange>> property_class(std::string_view name);

}  // namespace kedge::engine::grammar
