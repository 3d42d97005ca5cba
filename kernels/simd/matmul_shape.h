// How products of packed weights are cut into register tiles: the one place that decides. Few tokens are one tile that
// reads the packed stream, so that codes are unpacked once and memory is all that is waited for; more tokens sweep a
// panel of codes, 256 values deep and small enough for the first-level cache, in nearly equal tiles: a batch one larger
// never falls into a worse cut. Included by simd/table.cc only.
#pragma once

#include "kernels/packed.h"
#include "kernels/simd/packed_codes.h"

namespace kedge::kernels::KEDGE_ISA {

inline constexpr int kPartsOfGroup = kGroupRows / S::kRows;  // registers of rows of a group

// The smallest of nearly equal tiles of at most `most` tokens that `from` or more are cut into.
constexpr int least_tile(int from, int most) {
  int least = most;
  for (int n = from; n <= 8 * most; ++n) {
    const int tile = n / ((n + most - 1) / most);
    if (tile < least) least = tile;
  }
  return least;
}

// Tiles are parts (registers of rows) by tokens. What limits them is registers: packed products need an accumulated and
// a running sum for every part and token, float ones an accumulator of sixteen lanes for every row and token.
struct Shapes {
  int whole_tokens;   // up to so many tokens, a tile that reads the stream has the rows of a whole group
  int stream_tokens;  // up to so many it has one part; above, a panel is swept
  int panel_parts;
  int panel_tokens;  // most of a tile
  int float_rows;
  int float_tokens;  // most of a tile
};

#if defined(__AVX512VNNI__)
inline constexpr Shapes kShapes{8, 8, 2, 6, 4, 6};
#elif defined(__AVX2__)
inline constexpr Shapes kShapes{2, 4, 2, 3, 2, 3};
#elif defined(__ARM_FEATURE_DOTPROD)
inline constexpr Shapes kShapes{4, 4, 4, 4, 2, 2};
#else  // running sums are two registers
inline constexpr Shapes kShapes{2, 2, 4, 2, 2, 2};
#endif

// Tokens that sweep a panel while it lies in the first-level cache, beside their codes and sums.
inline constexpr int kPanelBlock = 128;
inline constexpr int kPanelValues = 256;  // of k

// Streams of memory a stride apart that are read ahead while tiles are computed, `lines` of each evenly over `steps`: a
// burst of requests would stop everything behind it, and more than is needed would push out of the cache what is.
struct StreamAhead {
  const std::byte* next = nullptr;
  size_t stride = 0;
  int streams = 0;
  int lines = 0;
  int steps = 0;
  int due = 0;  // lines, in parts of `steps`

  KEDGE_INLINE void fetch() {
    for (due += lines; due >= steps; due -= steps, next += 64) {
      for (int s = 0; s < streams; ++s) {
        __builtin_prefetch(reinterpret_cast<const char*>(next) + static_cast<size_t>(s) * stride, 0, 3);
      }
    }
  }
};

// Calls tile(Index<number of tokens>{}, first token) for n tokens in nearly equal tiles of kLeast to kMost.
template <int kLeast, int kMost, class Tile>
KEDGE_INLINE void one_tile(int n, int first, Tile&& tile) {
  if constexpr (kLeast < kMost) {
    if (n < kMost) return one_tile<kLeast, kMost - 1>(n, first, tile);
  }
  tile(Index<kMost>{}, first);
}
template <int kLeast, int kMost, class Tile>
KEDGE_INLINE void equal_tiles(int n, Tile&& tile) {
  int left = (n + kMost - 1) / kMost;
  for (int t = 0; t < n; --left) {
    const int size = (n - t) / left;
    one_tile<kLeast, kMost>(size, t, tile);
    t += size;
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
