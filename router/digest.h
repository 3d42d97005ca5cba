// SHA-256 through libsodium (several times the speed of the tokenizer room's own), and bytes as hexadecimal digits.
#pragma once

#include <sodium/crypto_hash_sha256.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/base/result.h"

namespace kedge::router {

// Of a sequence of bytes and fields. One thread at a time.
class Digest {
 public:
  static constexpr size_t kSize = 32;

  Digest();
  void bytes(std::string_view data);
  void field(std::string_view data);  // its length and itself, so that neighbouring fields cannot run together
  void number(uint64_t value);        // as 8 little-endian bytes
  // Each ends the digest: do not add to it afterwards.
  std::string sum();  // kSize bytes
  std::string hex();

 private:
  crypto_hash_sha256_state state_;
};

std::string sha256(std::string_view a,
                   std::string_view b = {});  // of a and b, one after the other; Digest::kSize bytes
std::string sha256_hex(std::string_view data);

std::string hex(std::string_view bytes);           // lower case
Result<std::string> unhex(std::string_view text);  // kInvalidArgument; lower case only: one text for one value

}  // namespace kedge::router
