// A text as words that can be compared: what the word index is made of, and what queries are cut into.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kedge::router::retrieval {

struct FoldedWord {
  enum class Kind {
    kLetters,    // letters alone
    kMixed,      // with digits
    kJoined,     // the parts of a chain in one: "cost-effective", "OPS-5521", "1,150" also stand as one word
    kPair,       // two characters, or a lone one, of a script written without spaces
    kCharacter,  // one of several; a query that has the pairs has no need of it
  };
  std::string text;
  Kind kind = Kind::kLetters;
};

// NFKC and case folding of Unicode, without characters that are not seen (soft hyphens, zero-width ones); accents stay,
// because stems need them. Runs of letters, digits and marks are words; of a chain joined by hyphens, and of digits in
// groups of three, the whole is one more; Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese runs are cut into
// overlapping pairs of characters. Superscripts are words of their own (10⁶ is not 106).
std::vector<FoldedWord> folded_words(std::string_view text);

// Without the accents of Latin, Greek and Cyrillic letters.
std::string without_accents(std::string_view folded);

}  // namespace kedge::router::retrieval
