// Cuts a text into passages.
#pragma once

#include <string_view>
#include <vector>

namespace kedge::router::retrieval {

struct Range {
  size_t begin = 0;
  size_t end = 0;
};

// Ranges of text[begin, end), ascending, without white space at their ends, at most `max_words` words each; together
// they hold every word. Cut behind a paragraph where that leaves a passage of a quarter of max_words or more, else
// behind a sentence, a line, a word; never within a word. (A word is what stands between white space; a Chinese or
// Japanese character is one of its own.) Precondition: valid UTF-8, max_words > 0.
std::vector<Range> cut_passages(std::string_view text, size_t begin, size_t end, size_t max_words);

size_t count_words(std::string_view text);

}  // namespace kedge::router::retrieval
