// The checksum of everything memory keeps outside of the arena: XXH3, 64 bits (xxHash, Yann Collet).
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>
#include <cstdint>

#include "kernels/base/rooms.h"

namespace kedge::memory {

inline uint64_t checksum(const void* data, size_t size, uint64_t seed = 0) {
  return XXH3_64bits_withSeed(data, size, seed);
}

}  // namespace kedge::memory
