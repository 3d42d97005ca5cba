// Text in a form that can be compared, and words looked up in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kedge::router {

// A range of bytes.
struct ByteRange {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const ByteRange&) const = default;
};

// What print and keyboards do differently: the shapes of quotation marks, apostrophes and dashes, ligatures, soft
// hyphens and spaces of no width, the blanks inside guillemets. Letters and digits are never typography.
enum class Typography { kFolded, kKept };

// NFC, runs of white space (Unicode's) as one space, none at the ends. Bytes that are no UTF-8 stay as they are.
// Every byte knows the bytes of the source it came from.
class NormText {
 public:
  explicit NormText(std::string_view source, Typography typography = Typography::kFolded);

  const std::string& text() const { return text_; }
  // The bytes of the source behind [begin, end) of text(); begin < end.
  ByteRange source_range(size_t begin, size_t end) const { return {begin_[begin], end_[end - 1]}; }

 private:
  void append(std::string_view normal, size_t begin, size_t end);

  std::string text_;
  std::vector<uint32_t> begin_;  // per byte of text_: the grapheme cluster of the source it belongs to
  std::vector<uint32_t> end_;
};

std::string normalized(std::string_view text, Typography typography = Typography::kFolded);
// The same without regard to case (Unicode case folding).
std::string folded(std::string_view text);

// First place in `text` at or after `from` where `phrase` stands as whole words: no letter, digit or underscore goes on
// on either side, and a number is not a part of a longer one (1933 is not in 1,933 or -1933, 200 not in 1 200). npos:
// none. Both normalised.
size_t find_words(std::string_view text, std::string_view phrase, size_t from = 0);

// find_words, but also with the first letter in the other case: a word may begin a sentence here and not there.
size_t find_words_any_initial(std::string_view text, std::string_view phrase);

// Without "a", "an", "the" in front and without full stops, quotation marks and spaces around.
std::string_view bare_value(std::string_view value);

// The sentences of a text, as ranges of its bytes, white space between them left out. Initials and usual abbreviations
// do not end one.
std::vector<ByteRange> sentences(std::string_view text);

// Whether the answer says that it does not answer: "not found in the sources", "I don't know".
bool declines(std::string_view answer);

}  // namespace kedge::router
