// Scores of a tile of rows against a page's keys. Lanes are the tokens of the page (keys are stored transposed), so a
// score is one chain over the dimensions and needs no horizontal sum. Included by simd/table.cc only.
#pragma once

#include "kernels/simd/attention_work.h"
#include "kernels/simd/attention_x86.h"

namespace kedge::KEDGE_ISA {

// kR rows from `row` on, kC vectors of tokens at a time.
template <class L, int kR, int kC, bool kAhead>
static void score_tile(const L& keys, int head_dim, int row, AttendWork& w, const Ahead& ahead) {
  for (int first = 0; first < kPageTokens; first += 16 * kC) {
    V acc[kR][kC];
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
      for (int c = 0; c < kC; ++c) acc[r][c] = V::zero();
    }
    const float* q = w.q[row];
    for (int i = 0; i < head_dim; ++i) {
      V k[kC];
#pragma GCC unroll 16
      for (int c = 0; c < kC; ++c) k[c] = keys.load(static_cast<size_t>(i * kPageTokens + first + 16 * c));
      if constexpr (kAhead) ahead.fetch(i);
#pragma GCC unroll 16
      for (int r = 0; r < kR; ++r) {
        const V x = V::set1(q[r * kRowStride + i]);
#pragma GCC unroll 16
        for (int c = 0; c < kC; ++c) acc[r][c] = fma(x, k[c], acc[r][c]);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
      for (int c = 0; c < kC; ++c) acc[r][c].store(w.scores[row + r] + first + 16 * c);
    }
  }
}

// Rows [r0, r1); memory ahead is fetched with the first tile.
template <class L>
static void score_rows(const L& keys, int head_dim, int r0, int r1, AttendWork& w, const Ahead& ahead) {
  using T = ScoreTile;
  int r = r0;
  if (ahead.p != nullptr) {
    if (r1 - r >= 4) {
      score_tile<L, 4, T::kVectors, true>(keys, head_dim, r, w, ahead);
      r += 4;
    } else if (r1 - r >= 2) {
      score_tile<L, 2, T::kFewVectors, true>(keys, head_dim, r, w, ahead);
      r += 2;
    } else {
      score_tile<L, 1, T::kFewVectors, true>(keys, head_dim, r++, w, ahead);
    }
  }
  for (; r + T::kRows <= r1; r += T::kRows) score_tile<L, T::kRows, T::kVectors, false>(keys, head_dim, r, w, ahead);
  for (; r + 4 <= r1; r += 4) score_tile<L, 4, T::kVectors, false>(keys, head_dim, r, w, ahead);
  for (; r + 2 <= r1; r += 2) score_tile<L, 2, T::kFewVectors, false>(keys, head_dim, r, w, ahead);
  if (r < r1) score_tile<L, 1, T::kFewVectors, false>(keys, head_dim, r, w, ahead);
}

// Q8_0: exact integer dots per 32 dimensions, then one fma each.
template <int kR, bool kAhead>
static void score_tile_q8(const uint8_t* codes, int head_dim, int row, AttendWork& w, const Ahead& ahead) {
  constexpr int kC = kIntVectors;
  for (int first = 0; first < kPageTokens; first += kC * S::kRows) {
    S::Floats acc[kR][kC];
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
      for (int c = 0; c < kC; ++c) acc[r][c] = S::set_float(0.0f);
    }
    for (int b = 0; b < head_dim / 32; ++b) {
      if constexpr (kAhead) {
        if (first == 0) ahead.fetch(b);
      }
      S::Ints dot[kR][kC];
#pragma GCC unroll 16
      for (int r = 0; r < kR; ++r) {
        // The codes are stored with 128 added, as VNNI wants them.
        const S::Ints start = S::set_int(kVnni ? -128 * w.q_sums[row + r][b] : 0);
#pragma GCC unroll 16
        for (int c = 0; c < kC; ++c) dot[r][c] = start;
      }
#pragma GCC unroll 16
      for (int i = 0; i < 8; ++i) {
        S::Codes k[kC];
#pragma GCC unroll 16
        for (int c = 0; c < kC; ++c) {
          k[c] = S::load_codes(codes + ((b * 8 + i) * kPageTokens + first + c * S::kRows) * 4);
#if !defined(__AVX512VNNI__)
          k[c] = S::flip_sign(k[c]);
#endif
        }
#pragma GCC unroll 16
        for (int r = 0; r < kR; ++r) {
          int32_t word;
          __builtin_memcpy(&word, w.q8[row + r] + b * 32 + i * 4, 4);
          const S::Ints q = S::set_int(word);
#pragma GCC unroll 16
          for (int c = 0; c < kC; ++c) dot[r][c] = S::dot4<true>(dot[r][c], k[c], q);
        }
      }
#pragma GCC unroll 16
      for (int c = 0; c < kC; ++c) {
        const S::Floats dk = S::load_floats(w.key_scales + b * kPageTokens + first + c * S::kRows);
#pragma GCC unroll 16
        for (int r = 0; r < kR; ++r) {
          acc[r][c] = S::fma(S::to_float(dot[r][c]), S::mul(S::set_float(w.dq[row + r][b]), dk), acc[r][c]);
        }
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
      for (int c = 0; c < kC; ++c) S::store_floats(w.scores[row + r] + first + c * S::kRows, acc[r][c]);
    }
  }
}

static void score_rows_q8(const uint8_t* codes, int head_dim, int r0, int r1, AttendWork& w, const Ahead& ahead) {
  int r = r0;
  if (ahead.p != nullptr) {
    if (r1 - r >= 2) {
      score_tile_q8<2, true>(codes, head_dim, r, w, ahead);
      r += 2;
    } else {
      score_tile_q8<1, true>(codes, head_dim, r++, w, ahead);
    }
  }
  for (; r + 4 <= r1; r += 4) score_tile_q8<4, false>(codes, head_dim, r, w, ahead);
  for (; r + 2 <= r1; r += 2) score_tile_q8<2, false>(codes, head_dim, r, w, ahead);
  if (r < r1) score_tile_q8<1, false>(codes, head_dim, r, w, ahead);
}

}  // namespace kedge::KEDGE_ISA
