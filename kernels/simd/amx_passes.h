// What all products with AMX share: memory, passes over tokens, the way of sums to the output. Included by
// simd/table_amx.cc only.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/amx_tiles.h"

namespace kedge::kernels::KEDGE_ISA {

// Tokens of one pass over a panel; their sums stay in the second-level cache.
inline constexpr int kPassTokens = 512;
// Scratch memory of one call.
struct AmxScratch {
  float* acc;       // [2 groups][kPassTokens][16]
  int8_t* weights;  // [2 groups][2 digits][64 quads][64]: 256 values
  int32_t* sums;    // [2][8 tiles][16][16]: what tiles were stored to, while the next are computed
  int8_t* tail;     // [16][k]

  static KEDGE_INLINE AmxScratch place(std::byte* p) {
    AmxScratch s;
    s.acc = reinterpret_cast<float*>(p);
    p += 2 * kPassTokens * 16 * 4;
    s.weights = reinterpret_cast<int8_t*>(p);
    p += 4 * 4096;
    s.sums = reinterpret_cast<int32_t*>(p);
    p += 16 * 1024;
    s.tail = reinterpret_cast<int8_t*>(p);
    return s;
  }
};

KEDGE_INLINE __m512 broadcast(const float* p) { return _mm512_set1_ps(*p); }
KEDGE_INLINE __m512i broadcast_pair(const int16_t* p) {
  int32_t v;
  __builtin_memcpy(&v, p, 4);
  return _mm512_set1_epi32(v);
}

// The accumulators of n tokens and up to n_groups * 16 of n_rows rows to y.
KEDGE_INLINE void store_sums(const AmxScratch& m, int n, int n_rows, int n_groups, float* y, size_t ldy) {
  for (int t = 0; t < n; ++t) {
    for (int g = 0; g < n_groups; ++g) {
      const int rows = n_rows - g * 16 < 16 ? n_rows - g * 16 : 16;
      const auto mask = static_cast<__mmask16>((1u << rows) - 1);
      _mm512_mask_storeu_ps(y + static_cast<size_t>(t) * ldy + g * 16, mask,
                            _mm512_load_ps(m.acc + (g * kPassTokens + t) * 16));
    }
  }
}

// Reads a stretch of the stream of weights ahead in shares: a burst of requests would stop everything behind it.
KEDGE_INLINE void fetch_share(const std::byte* from, int bytes, int share, int shares) {
  const int lines = bytes / 64;
  const auto* p = reinterpret_cast<const char*>(from);
  for (int i = lines * share / shares; i < lines * (share + 1) / shares; ++i) __builtin_prefetch(p + i * 64, 0, 3);
}

// kGroups groups of rows against the tokens of a pass.
template <class Pass, int kGroups>
KEDGE_INLINE void group_pass(const std::byte* first_group, size_t stride, const ActRows& x,
                             const typename Pass::Tiles& tiles, int n_rows, float* y, size_t ldy, const AmxScratch& m) {
  const std::byte* group[2] = {first_group, first_group + stride};
  for (int g = 0; g < kGroups; ++g) {
    __builtin_memset(m.acc + g * kPassTokens * 16, 0, static_cast<size_t>(x.n) * 64);
  }
  Pass::template run<kGroups>(group, stride, x, tiles, m);
  store_sums(m, x.n, n_rows, kGroups, y, ldy);
}

// All rows against all tokens, in nearly equal passes of at most kPassTokens. Activations have one scale per
// `act_block` values.
template <class Pass>
KEDGE_INLINE void matmul_passes(const WeightRows& w, const ActRows& x, int act_block, float* y, size_t ldy,
                                std::byte* scratch) {
  const AmxScratch m = AmxScratch::place(scratch);
  const auto k = static_cast<size_t>(x.k);
  int left = (x.n + kPassTokens - 1) / kPassTokens;
  for (int t0 = 0; t0 < x.n; --left) {
    ActRows part = x;
    const auto first = static_cast<size_t>(t0);
    part.n = (x.n - t0 + left - 1) / left;
    part.q += first * x.row_pitch();
    part.d += first * (k / static_cast<size_t>(act_block));
    part.sums16 += first * (k / 16);
    part.sums32 += first * (k / 32);
    const typename Pass::Tiles tiles = Pass::start(part, m);
    for (int row = 0; row < w.n_rows; row += 32) {
      const std::byte* group = w.data + static_cast<size_t>(row / 16) * w.stride;
      float* out = y + first * ldy + row;
      if (w.n_rows - row > 16) {
        group_pass<Pass, 2>(group, w.stride, part, tiles, w.n_rows - row, out, ldy, m);
      } else {
        group_pass<Pass, 1>(group, w.stride, part, tiles, w.n_rows - row, out, ldy, m);
      }
    }
    t0 += part.n;
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
