#include "router/digest.h"

namespace kedge::router {

Digest::Digest() { crypto_hash_sha256_init(&state_); }

void Digest::bytes(std::string_view data) {
  crypto_hash_sha256_update(&state_, reinterpret_cast<const unsigned char*>(data.data()), data.size());
}

void Digest::field(std::string_view data) {
  number(data.size());
  bytes(data);
}

void Digest::number(uint64_t value) {
  char little[8];
  for (char& c : little) {
    c = static_cast<char>(value & 255);
    value >>= 8;
  }
  bytes({little, sizeof little});
}

std::string Digest::sum() {
  static_assert(kSize == crypto_hash_sha256_BYTES);
  std::string out(kSize, '\0');
  crypto_hash_sha256_final(&state_, reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

std::string Digest::hex() { return router::hex(sum()); }

std::string sha256(std::string_view a, std::string_view b) {
  Digest digest;
  digest.bytes(a);
  digest.bytes(b);
  return digest.sum();
}

std::string sha256_hex(std::string_view data) { return hex(sha256(data)); }

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[c & 15];
  }
  return out;
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

}  // namespace kedge::router
