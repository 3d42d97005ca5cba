// AMX tile registers: configuration and the few operations the kernels use. Included by simd/table_amx.cc only.
#pragma once

#include <immintrin.h>

#include "kernels/base/inline.h"

namespace kedge::kernels::KEDGE_ISA {

// Loads a palette-1 configuration. Tiles 0-3 accumulate (16 rows of 16 32-bit numbers), 4-5 hold activations (16 rows
// of k_bytes), 6-7 weights (k_bytes / 4 rows of 16 lanes of 4 bytes).
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

KEDGE_INLINE void configure_tiles(int k_bytes) {
  TileConfig c;
  for (int i = 0; i < 8; ++i) {
    c.rows[i] = 16;
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
