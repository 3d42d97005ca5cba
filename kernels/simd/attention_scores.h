// Scores of a tile of rows against a page's keys. Lanes are the tokens of the page (keys are stored transposed), so a
// score is one chain over the dimensions and needs no horizontal sum. Included by simd/table.cc only.
#pragma once

#include "kernels/simd/attention_work.h"

namespace kedge::kernels::KEDGE_ISA {

// kR rows from `row` on.
template <class L, int kR, bool kAhead>
static void score_tile(const L& keys, int head_dim, int row, AttendWork& w, Ahead ahead) {
  constexpr int kC = score_vectors(kR);
  for (int first = 0; first < kPageTokens; first += 16 * kC) {
    V acc[kR][kC];
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
      for (int c = 0; c < kC; ++c) acc[r][c] = V::zero();
    }
    const float* q = w.q[row];
#pragma GCC unroll 2
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
    ahead.step = 0;
  }
}

// Rows [r0, r1); memory ahead is fetched with the first tile.
template <class L, bool kAhead>
static void score_rows(const L& keys, int head_dim, int r0, int r1, AttendWork& w, Ahead ahead) {
  for (int r = r0; r < r1; r += kScoreRows) {
    with_rows<kScoreRows>(r1 - r, [&](auto n) { score_tile<L, n(), kAhead>(keys, head_dim, r, w, ahead); });
    ahead.step = 0;
  }
}

// The codes of four dimensions for a register of tokens, `quad` counting fours of dimensions. What is stored has kZero
// added: of codes with eight bits some instruction sets want that, others take it off again.
struct CodesQ8 {
  static constexpr bool kCentred = S::Dot<255>::kCentred;
  static constexpr int kZero = kCentred ? 0 : 128;
  const uint8_t* p;
  KEDGE_INLINE S::Codes load(int quad, int token) const {
    const S::Codes x = S::load_codes(p + (quad * kPageTokens + token) * 4);
    return kCentred ? S::code_xor(x, S::set_byte(0x80)) : x;
  }
  KEDGE_INLINE static S::Ints dot(S::Ints acc, S::Codes k, S::Ints q) { return S::dot4<true>(acc, k, q); }
};
struct CodesQ4 {
  static constexpr int kZero = 8;
  const uint8_t* p;
  KEDGE_INLINE S::Codes load(int quad, int token) const {
    const S::Codes x = S::load_codes(p + (quad / 2 * kPageTokens + token) * 4);
    return S::code_and(quad % 2 == 0 ? x : S::lane_shr<4>(x), S::set_byte(15));
  }
  KEDGE_INLINE static S::Ints dot(S::Ints acc, S::Codes k, S::Ints q) { return S::dot4<false>(acc, k, q); }
};

// Quantised keys: exact integer dots per 32 dimensions, then one fma each.
template <class C, int kR>
static void score_tile_int(const C& codes, int head_dim, int row, AttendWork& w, Ahead ahead) {
  constexpr int kC = kIntVectors;
  for (int first = 0; first < kPageTokens; first += kC * S::kRows) {
    S::Floats acc[kR][kC];
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
      for (int c = 0; c < kC; ++c) acc[r][c] = S::set_float(0.0f);
    }
    for (int b = 0; b < head_dim / 32; ++b) {
      ahead.fetch(b);
      S::Ints dot[kR][kC];
#pragma GCC unroll 16
      for (int r = 0; r < kR; ++r) {
        const S::Ints start = S::set_int(-C::kZero * w.q_sums[row + r][b]);
#pragma GCC unroll 16
        for (int c = 0; c < kC; ++c) dot[r][c] = start;
      }
#pragma GCC unroll 16
      for (int i = 0; i < 8; ++i) {
        S::Codes k[kC];
#pragma GCC unroll 16
        for (int c = 0; c < kC; ++c) k[c] = codes.load(b * 8 + i, first + c * S::kRows);
#pragma GCC unroll 16
        for (int r = 0; r < kR; ++r) {
          int32_t word;
          __builtin_memcpy(&word, w.q8[row + r] + b * 32 + i * 4, 4);
          const S::Ints q = S::set_int(word);
#pragma GCC unroll 16
          for (int c = 0; c < kC; ++c) dot[r][c] = C::dot(dot[r][c], k[c], q);
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
    ahead.step = 0;
  }
}

template <class C>
static void score_rows_int(const C& codes, int head_dim, int r0, int r1, AttendWork& w, Ahead ahead) {
  for (int r = r0; r < r1; r += kIntRows) {
    with_rows<kIntRows>(r1 - r, [&](auto n) { score_tile_int<C, n()>(codes, head_dim, r, w, ahead); });
    ahead.step = 0;
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
