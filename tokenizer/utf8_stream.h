// Turns pieces of bytes, cut anywhere, into pieces of text cut only between characters.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::tokenizer {

// What becomes of bytes that are not UTF-8.
enum class InvalidUtf8 {
  kPass,     // they come out unchanged: the output is the input, byte for byte
  kReplace,  // each maximal ill-formed part becomes one U+FFFD (Unicode 15, section 3.9)
};

// Holds at most three bytes. One thread at a time; copying copies the state; no errors.
class Utf8Stream {
 public:
  explicit Utf8Stream(InvalidUtf8 invalid = InvalidUtf8::kReplace) : invalid_(invalid) {}

  // Appends to *out everything of `bytes` (and of what was held back) up to the last complete character.
  void push(std::string_view bytes, std::string* out);
  // Appends what is still held back: the stream ends here. The object may be used again afterwards.
  void flush(std::string* out);
  // Bytes held back: the beginning of a character whose end has not arrived.
  size_t pending() const { return n_held_; }

 private:
  void emit_invalid(std::string_view bytes, std::string* out) const;

  InvalidUtf8 invalid_;
  std::array<char, 4> held_{};
  size_t n_held_ = 0;
};

}  // namespace kedge::tokenizer
