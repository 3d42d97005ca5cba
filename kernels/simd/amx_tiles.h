// AMX tile registers: configuration and the few operations the kernels use. Included by simd/table_amx.cc only.
#pragma once

#include <immintrin.h>

#include "kernels/base/inline.h"

namespace kedge::kernels::KEDGE_ISA {

// Loads a palette-1 configuration. Tiles 0-3 accumulate (a row of 16 32-bit numbers for every token), 4-5 hold
// activations (a row of k_bytes for every token), 6-7 weights (k_bytes / 4 rows of 16 lanes of 4 bytes).
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

KEDGE_INLINE void configure_tiles(int k_bytes, int tokens = 16) {
  TileConfig c;
  for (int i = 0; i < 8; ++i) {
    c.rows[i] = static_cast<uint8_t>(i < 6 ? tokens : 16);
    c.row_bytes[i] = 64;
  }
  for (int i = 4; i < 6; ++i) c.row_bytes[i] = static_cast<uint16_t>(k_bytes);
  for (int i = 6; i < 8; ++i) c.rows[i] = static_cast<uint8_t>(k_bytes / 4);
  // GCC 12 believes that the instruction reads 8 bytes.
  asm volatile("" ::"r"(&c) : "memory");
  _tile_loadconfig(&c);
}

// What was written by ordinary code is in memory before tiles are loaded from it.
KEDGE_INLINE void memory_barrier() { asm volatile("" ::: "memory"); }

// A run of tokens in tiles of equal size, 16 tokens at most: a product takes as many cycles as its tile has tokens. The
// last tile begins among the tokens of the one before, whose sums it finds again, so that no tile reads beyond the
// activations.
struct EqualTiles {
  const int8_t* q;
  int n;
  int size;
  size_t pitch;

  static KEDGE_INLINE EqualTiles make(const int8_t* q, int n, size_t pitch) {
    const int count = (n + 15) / 16;
    return {q, n, (n + count - 1) / count, pitch};
  }
  KEDGE_INLINE int count() const { return (n + size - 1) / size; }
  // The first token of tile i, and how many of its tokens are the tile's before.
  KEDGE_INLINE int first(int i) const { return i * size + size <= n ? i * size : n - size; }
  KEDGE_INLINE int again(int i) const { return i * size - first(i); }
  KEDGE_INLINE const int8_t* at(int i) const { return q + static_cast<size_t>(first(i)) * pitch; }
};

// Sixteen rows of tokens of one tile.
struct TokenTile {
  const int8_t* q;  // rows TokenTiles::pitch apart
  int first;        // token of row 0
  int n;            // valid rows; the results of the others are dropped
};

// Token tiles of a run of tokens, rows of `bytes` bytes `pitch` apart; the last rows that do not fill a tile are copied
// to `tail` ([16][pitch], zero filled), so that no tile reads beyond the activations.
struct TokenTiles {
  const int8_t* q;
  const int8_t* tail;
  int n;
  size_t pitch;

  static KEDGE_INLINE TokenTiles make(const int8_t* q, int n, int bytes, size_t pitch, int8_t* tail) {
    const auto size = static_cast<size_t>(bytes);
    const int left = n % 16;
    for (int i = 0; left != 0 && i < 16; ++i) {
      int8_t* to = tail + static_cast<size_t>(i) * pitch;
      if (i < left) {
        __builtin_memcpy(to, q + static_cast<size_t>(n - left + i) * pitch, size);
      } else {
        __builtin_memset(to, 0, size);
      }
    }
    return {q, tail, n, pitch};
  }
  KEDGE_INLINE int count() const { return (n + 15) / 16; }
  KEDGE_INLINE TokenTile at(int i) const {
    const int first = i * 16;
    if (first + 16 <= n) return TokenTile{q + static_cast<size_t>(first) * pitch, first, 16};
    return TokenTile{tail, first, n - first};
  }
};

}  // namespace kedge::kernels::KEDGE_ISA
