// SHA-256 (FIPS 180-4): the one digest of files, records and fingerprints. It stays the same over versions, machines
// and compilers. Uses the SHA instructions of x86 where the machine has them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::base {

// Of a sequence of bytes and fields. One thread at a time; no errors.
class Sha256 {
 public:
  static constexpr size_t kSize = 32;

  void bytes(std::string_view data);
  void field(std::string_view data);  // its length and itself, so that neighbouring fields cannot run together
  void number(uint64_t value);        // as 8 little-endian bytes
  // Each ends the digest: do not add to it afterwards.
  std::string sum();  // kSize bytes
  std::string hex();

 private:
  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<char, 64> block_{};  // begun, not full yet
  size_t n_block_ = 0;
  uint64_t n_bytes_ = 0;
};

// Of a and b, one after the other; Sha256::kSize bytes.
std::string sha256(std::string_view a, std::string_view b = {});
std::string sha256_hex(std::string_view data);

// What the digest is made of: n blocks of 64 bytes into the state. By plain code, or as the machine does it best; the
// same numbers.
void sha256_blocks_plain(std::array<uint32_t, 8>& state, const char* data, size_t n);
void sha256_blocks(std::array<uint32_t, 8>& state, const char* data, size_t n);

}  // namespace kedge::base
