// A string that remembers which of its bytes came from the conversation ("input"), from where in it, and which from the
// template itself. Everything a template does to strings is done on Text, so that a special token typed by a user never
// becomes one, and what a caller marked is found again whatever the template does around it. Where an operation cannot
// follow single bytes, its whole result counts as input of no known place.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/jinja/unicode.h"
#include "tokenizer/text_origin.h"

namespace kedge::tokenizer::jinja {

class Text {
 public:
  // As long as its origin when every byte stands for one there; otherwise the whole stands for the whole.
  struct Range {
    size_t begin = 0;
    size_t end = 0;
    TextOrigin origin;
    bool bytewise() const { return end - begin == origin.end - origin.begin; }
  };

  Text() = default;
  explicit Text(std::string_view bytes, bool from_input = false) { append(bytes, from_input); }
  Text(std::string_view bytes, const TextOrigin& origin) { append(bytes, origin); }

  const std::string& bytes() const { return bytes_; }
  std::string_view view() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  // Ascending, disjoint, not empty; adjacent only where their origins are not.
  const std::vector<Range>& input() const { return input_; }
  bool any_input() const { return !input_.empty(); }
  // Is any byte of [begin, end) input?
  bool input_in(size_t begin, size_t end) const;

  void append(std::string_view bytes, bool from_input = false);
  void append(std::string_view bytes, const TextOrigin& origin);
  // Bytes that stand for [begin, end) of another text.
  void append_changed(std::string_view bytes, const Text& other, size_t begin, size_t end);
  void append(const Text& other) { append_slice(other, 0, other.size()); }
  void append_slice(const Text& other, size_t begin, size_t end);
  Text slice(size_t begin, size_t end) const;
  void reserve(size_t bytes) { bytes_.reserve(bytes); }
  size_t memory() const { return bytes_.capacity() + input_.capacity() * sizeof(Range); }

 private:
  void add(const Range& range);

  std::string bytes_;
  std::vector<Range> input_;
};

// Calls f(code, &replacement) for every character, in order; the replacement is input when the character is.
template <class F>
Text map_chars(const Text& in, F&& f) {
  Text out;
  out.reserve(in.size());
  std::string piece;
  for (size_t at = 0; at < in.size();) {
    const Char c = char_at(in.view(), at);
    piece.clear();
    f(c.code, &piece);
    out.append_changed(piece, in, at, at + c.size);
    at += c.size;
  }
  return out;
}

// Python's strip family. `chars` empty: white space. `left`, `right`: which ends.
Text strip(const Text& in, std::string_view chars, bool left, bool right);
// Python's split(sep, max) or rsplit; sep empty: runs of white space. max < 0: no limit.
std::vector<Text> split(const Text& in, std::string_view sep, long long max, bool from_right);
std::vector<Text> split_lines(const Text& in, bool keep_ends);
// Replaces the first `max` (< 0: all) occurrences. The caller bounds the size (see count_matches).
Text replace(const Text& in, const Text& from, const Text& to, long long max);
// The first occurrence at or after `from`, or npos. Linear whatever the operands (string_view::find is not).
size_t find_text(std::string_view in, std::string_view what, size_t from = 0);
size_t count_matches(std::string_view in, std::string_view what);

}  // namespace kedge::tokenizer::jinja
