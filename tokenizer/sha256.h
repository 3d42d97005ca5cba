// SHA-256 (FIPS 180-4), for fingerprints: a digest that stays the same over versions, machines and compilers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::tokenizer {

// One thread at a time; no errors.
class Sha256 {
 public:
  void update(std::string_view bytes);
  // A value as 8 little-endian bytes; a string as its length and its bytes, so that fields cannot run together.
  void update_u64(uint64_t value);
  void update_field(std::string_view bytes);
  // 64 hexadecimal digits. Ends the digest: do not update afterwards.
  std::string hex();

 private:
  void block(const unsigned char* p);

  std::array<uint32_t, 8> h_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> buffer_{};
  size_t n_buffered_ = 0;
  uint64_t n_bytes_ = 0;
};

}  // namespace kedge::tokenizer
