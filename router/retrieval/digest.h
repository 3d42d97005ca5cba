// SHA-256 of a sequence of fields, through libsodium (several times the speed of the tokenizer room's own).
#pragma once

#include <sodium.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace kedge::retrieval {

class Digest {
 public:
  Digest() { crypto_hash_sha256_init(&state_); }

  void bytes(std::string_view data) {
    crypto_hash_sha256_update(&state_, reinterpret_cast<const unsigned char*>(data.data()), data.size());
  }
  // With its length before it, so that neighbouring fields cannot run together.
  void field(std::string_view data) {
    number(data.size());
    bytes(data);
  }
  void number(uint64_t value) {
    char little[8];
    for (char& c : little) {
      c = static_cast<char>(value & 255);
      value >>= 8;
    }
    bytes({little, sizeof little});
  }
  // Ends the digest: do not add to it afterwards.
  std::string hex() {
    unsigned char sum[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(&state_, sum);
    char text[2 * sizeof sum + 1];
    sodium_bin2hex(text, sizeof text, sum, sizeof sum);
    return text;
  }

 private:
  crypto_hash_sha256_state state_;
};

inline std::string sha256_hex(std::string_view data) {
  Digest digest;
  digest.bytes(data);
  return digest.hex();
}

}  // namespace kedge::retrieval
