#include "engine/chat_read/json_scanner.h"

#include <string_view>

#include "kernels/base/json.h"

namespace kedge::engine::chat_read {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

bool JsonScanner::fail(const char* problem) {
  problem_ = problem;
  return false;
}

bool JsonScanner::number_whole() const {
  return digits_ == Digits::kZero || digits_ == Digits::kWhole || digits_ == Digits::kFraction ||
         digits_ == Digits::kExponent;
}

bool JsonScanner::take(char c) {
  switch (at_) {
    case At::kString:
      return take_string(c);
    case At::kEscape:
    case At::kLowEscape:
      return take_escape(c);
    case At::kHex:
    case At::kLowHex:
      return take_hex(c);
    case At::kNumber:
      return take_number(c);
    case At::kWord:
      if (c != *word_) return fail("a value is neither true, false nor null");
      if (*++word_ == 0) at_ = At::kNext;
      return true;
    default:
      break;
  }
  if (is_space(c)) return true;
  switch (at_) {
    case At::kFirstKey:
      if (c == '}') return take_next(c);
      [[fallthrough]];
    case At::kKey:
      if (c != '"') return fail("a member's name in double quotes was expected");
      key_ = true;
      at_ = At::kString;
      return true;
    case At::kColon:
      if (c != ':') return fail("':' was expected behind a member's name");
      at_ = At::kValue;
      return true;
    case At::kNext:
      return take_next(c);
    case At::kFirstElement:
      if (c == ']') return take_next(c);
      return begin_value(c);
    default:
      return begin_value(c);
  }
}

bool JsonScanner::begin_value(char c) {
  if (c == '{' || c == '[') {
    if (depth() == base::kMaxJsonDepth) return fail("objects and arrays are nested too deep (limit 64)");
    open_.push_back(c);
    at_ = c == '{' ? At::kFirstKey : At::kFirstElement;
    return true;
  }
  if (c == '"') {
    key_ = false;
    at_ = At::kString;
    return true;
  }
  if (c == 't' || c == 'f' || c == 'n') {
    word_ = c == 't' ? "rue" : c == 'f' ? "alse" : "ull";
    at_ = At::kWord;
    return true;
  }
  if (c != '-' && !is_digit(c)) return fail("a value was expected");
  digits_ = c == '-' ? Digits::kSign : c == '0' ? Digits::kZero : Digits::kWhole;
  at_ = At::kNumber;
  return true;
}

bool JsonScanner::take_next(char c) {
  if (depth() == 0) return fail("nothing may follow the value");
  const bool object = open_.back() == '{';
  if (c == ',' && at_ == At::kNext) {
    at_ = object ? At::kKey : At::kValue;
    return true;
  }
  if (c != (object ? '}' : ']')) return fail(object ? "',' or '}' was expected" : "',' or ']' was expected");
  open_.pop_back();
  at_ = At::kNext;
  return true;
}

bool JsonScanner::take_string(char c) {
  if (static_cast<unsigned char>(c) < 0x20) return fail("a control character in a string has to be written as \\u00..");
  if (c == '\\') {
    at_ = At::kEscape;
  } else if (c == '"') {
    at_ = key_ ? At::kColon : At::kNext;
  }
  return true;
}

bool JsonScanner::take_escape(char c) {
  if (at_ == At::kLowEscape) {  // "\u" of the second half, a byte each
    if (c != (hex_left_ == 0 ? '\\' : 'u')) return fail("the second half of a pair of surrogates was expected");
    if (hex_left_++ == 0) return true;
    at_ = At::kLowHex;
  } else if (c == 'u') {
    at_ = At::kHex;
  } else {
    if (std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) return fail("no such escape in a string");
    at_ = At::kString;
    return true;
  }
  hex_left_ = 4;
  unit_ = 0;
  return true;
}

bool JsonScanner::take_hex(char c) {
  const int digit = hex_digit(c);
  if (digit < 0) return fail("\\u is followed by four hexadecimal digits");
  unit_ = unit_ * 16 + static_cast<uint32_t>(digit);
  if (--hex_left_ > 0) return true;
  const bool low = unit_ >= 0xdc00 && unit_ < 0xe000;
  if (low != (at_ == At::kLowHex)) return fail("the halves of a pair of surrogates belong together");
  at_ = unit_ >= 0xd800 && unit_ < 0xdc00 ? At::kLowEscape : At::kString;
  return true;
}

bool JsonScanner::take_number(char c) {
  const Digits was = digits_;
  if (is_digit(c)) {
    if (was == Digits::kZero) return fail("a number does not begin with 0 and another digit");
    if (was == Digits::kSign) digits_ = c == '0' ? Digits::kZero : Digits::kWhole;
    if (was == Digits::kPoint) digits_ = Digits::kFraction;
    if (was == Digits::kE || was == Digits::kESign) digits_ = Digits::kExponent;
    return true;
  }
  if (c == '.' && (was == Digits::kZero || was == Digits::kWhole)) {
    digits_ = Digits::kPoint;
    return true;
  }
  if ((c == 'e' || c == 'E') && number_whole() && was != Digits::kExponent) {
    digits_ = Digits::kE;
    return true;
  }
  if ((c == '+' || c == '-') && was == Digits::kE) {
    digits_ = Digits::kESign;
    return true;
  }
  if (!number_whole()) return fail("a digit was expected in a number");
  at_ = At::kNext;
  return is_space(c) || take_next(c);
}

std::string JsonScanner::closers() const {
  std::string out = in_string() ? "\"" : "";
  for (size_t i = depth(); i-- > 0;) out += open_[i] == '{' ? '}' : ']';
  return out;
}

}  // namespace kedge::engine::chat_read
