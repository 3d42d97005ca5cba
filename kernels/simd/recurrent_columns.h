// What the kernels of recurrent.cc share: blocks of columns of a state, and where a block is from token to token.
#pragma once

#include <type_traits>

#include "kernels/kernel_table.h"
#include "kernels/simd/float_math.h"

namespace kedge::kernels::KEDGE_ISA {

// Vectors of columns in a block: enough chains of fma to keep the arithmetic busy, few enough for the registers.
#if defined(__AVX512VNNI__)
inline constexpr int kWideBlock = 4;
#else
inline constexpr int kWideBlock = 2;
#endif

KEDGE_INLINE size_t to_size(int x) { return static_cast<size_t>(x); }

// kC vectors of columns, the last of kPart ones holding fewer than 16.
template <int kC, bool kPart>
struct Block {
  static constexpr int kVectors = kC;
  int left = 16;
  KEDGE_INLINE V load(const float* p, int c) const {
    if constexpr (kPart) return V::load_part(p, left, 0.0f);
    return V::load(p + 16 * c);
  }
  KEDGE_INLINE void store(const V& x, float* p, int c) const {
    if constexpr (kPart) return x.store_part(p, left);
    x.store(p + 16 * c);
  }
};

// Calls f(block, first column) for columns [begin, end).
template <class F>
KEDGE_INLINE void by_blocks(int begin, int end, F&& f) {
  int c = begin;
  for (; c + 16 * kWideBlock <= end; c += 16 * kWideBlock) f(Block<kWideBlock, false>{}, c);
  for (; c + 16 <= end; c += 16) f(Block<1, false>{}, c);
  if (c < end) f(Block<1, true>{end - c}, c);
}

// A block of columns of a state in memory.
struct Place {
  float* p;
  size_t pitch;
  KEDGE_INLINE float* row(int i) const { return p + to_size(i) * pitch; }
};

// Where a block is while a call's tokens go by: read from the state before, written to the one after, and in between
// in a copy of its own, whose rows are next to each other. In their place a block's rows are a power of two apart and
// fall into few sets of the first-level cache.
template <int kC>
struct Path {
  static constexpr int kRows = 128;  // what fits the copy
  alignas(64) float copy[kRows * 16 * kC];
  Place before;
  Place after;
  Place between;
  int n;

  KEDGE_INLINE Path(const float* state, float* next_state, int rows, int width, int first, int tokens)
      : before{const_cast<float*>(state) + first, to_size(width)},  // read only, as long as it is not `after`
        after{next_state + first, to_size(width)},
        between{tokens > 2 && rows <= kRows ? Place{copy, 16 * kC} : after},
        n(tokens) {}
  KEDGE_INLINE Place from(int t) const { return t == 0 ? before : between; }
  KEDGE_INLINE Place to(int t) const { return t == n - 1 ? after : between; }
};

}  // namespace kedge::kernels::KEDGE_ISA
