// JSON that comes byte by byte: whether it is any, where in it the text stands, and what it lacks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::engine::chat_read {

// Reads one value (RFC 8259; surrogates in pairs) of objects and arrays within each other up to base::kMaxJsonDepth.
// That strings are UTF-8 is the caller's business.
class JsonScanner {
 public:
  enum class At : uint8_t {
    kValue,         // a value comes
    kFirstElement,  // a value, or ']'
    kFirstKey,      // a member's name, or '}'
    kKey,           // a member's name
    kColon,
    kNext,  // behind a value: ',' or what closes; at depth 0 it is whole
    kString,
    kEscape,
    kHex,
    kLowEscape,  // between the halves of a pair of surrogates
    kLowHex,
    kNumber,
    kWord,
  };

  // Takes a byte. False: no value goes on like that; the byte is not taken, and problem() says why.
  bool take(char c);
  // A whole value was read. A number at depth 0 is whole as soon as it may be.
  bool done() const { return depth() == 0 && (at_ == At::kNext || (at_ == At::kNumber && number_whole())); }
  size_t depth() const { return open_.size(); }
  At at() const { return at_; }
  bool in_string() const { return at_ >= At::kString && at_ <= At::kLowHex; }
  bool in_key() const { return in_string() && key_; }
  const char* problem() const { return problem_; }
  // What would close the text as it stands: "\"}]", say.
  std::string closers() const;

 private:
  enum class Digits : uint8_t { kSign, kZero, kWhole, kPoint, kFraction, kE, kESign, kExponent };

  bool fail(const char* problem);
  bool begin_value(char c);
  bool take_string(char c);
  bool take_escape(char c);
  bool take_hex(char c);
  bool take_number(char c);
  bool take_next(char c);
  bool number_whole() const;

  At at_ = At::kValue;
  bool key_ = false;  // the string is a member's name
  Digits digits_ = Digits::kSign;
  const char* word_ = nullptr;  // what is left of true, false, null
  int hex_left_ = 0;
  uint32_t unit_ = 0;       // of UTF-16, as far as its digits came
  std::vector<char> open_;  // '{' and '['
  const char* problem_ = "";
};

}  // namespace kedge::engine::chat_read
