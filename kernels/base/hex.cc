#include "kernels/base/hex.h"

namespace kedge::base {

std::string hex(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out += kHexDigits[static_cast<uint8_t>(c) >> 4];
    out += kHexDigits[c & 15];
  }
  return out;
}

std::string hex(uint64_t value) {
  std::string text(16, '0');
  for (size_t i = text.size(); i-- > 0; value >>= 4) text[i] = kHexDigits[value & 15];
  return text;
}

Result<std::string> unhex(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool digit = c >= '0' && c <= '9';
    if ((!digit && (c < 'a' || c > 'f')) || text.size() % 2 != 0) {
      return Error{ErrorCode::kInvalidArgument, "'" + std::string(text) + "' is not a number of bytes in hexadecimal"};
    }
    const int value = digit ? c - '0' : c - 'a' + 10;
    if (i % 2 == 0) {
      out += static_cast<char>(value << 4);
    } else {
      out.back() = static_cast<char>(out.back() | value);
    }
  }
  return out;
}

}  // namespace kedge::base
