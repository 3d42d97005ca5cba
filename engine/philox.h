// Counter-based random numbers: a number is a function of (seed, request, position, stream) and nothing else, so any
// token of any answer can be drawn again without replaying what came before. Philox4x32-10 of Salmon et al., "Parallel
// random numbers: as easy as 1, 2, 3" (SC 2011); its published test vectors are in tests/engine/sampler_test.cc.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/base/rooms.h"

namespace kedge::engine {

inline std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// Where in the space of random numbers a draw happens.
struct RandomPoint {
  uint64_t seed = 0;
  uint64_t request = 0;   // tells apart answers drawn with one seed
  uint32_t position = 0;  // of the token drawn
  uint32_t stream = 0;    // 0: the draw itself; a sampler that needs chance uses its rank
};

// Uniform in [0, 1), a multiple of 2^-53.
inline double uniform(const RandomPoint& at) {
  const std::array<uint32_t, 4> x =
      philox4x32({at.position, at.stream, static_cast<uint32_t>(at.request), static_cast<uint32_t>(at.request >> 32)},
                 {static_cast<uint32_t>(at.seed), static_cast<uint32_t>(at.seed >> 32)});
  const uint64_t bits = (uint64_t{x[1]} << 32) | x[0];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace kedge::engine
