// Products of `--numerics fast` for float weights with AVX512_BF16: TDPBF16PS's sums (kernels/fast_numerics.h), with
// VDPBF16PS. That adds two products to a lane by fma, the odd one of the pair first, and takes and gives subnormals as
// zero, whatever MXCSR says (Intel SDM volume 2; Zen 5 agrees with it bit for bit). So the values of each 32 are put in
// another order: eight pairs of the even chain, the later value low, then eight of the odd one; and the chains' sums
// are added with subnormals flushed. Any number of tokens takes this path. Included by simd/table_bf16.cc only.
#pragma once

#include "kernels/base/float16.h"
#include "kernels/simd/bf16_rows.h"
#include "kernels/simd/matmul_shape.h"

namespace kedge::kernels::KEDGE_ISA {

inline constexpr int kBf16Pass = 512;   // tokens whose sums stay in the second-level cache
inline constexpr int kBf16Chunk = 256;  // values of k whose weights are in the first-level one
inline constexpr int kBf16Tokens = 6;   // most of a tile; times two groups of rows and two chains: 24 sums
inline constexpr int kBf16Group = kBf16Chunk * kGroupRows;  // values of a group in the panel

// 32 values in the order of the chains.
KEDGE_INLINE __m512i chain_order(__m512i values) {
  alignas(64) static constexpr uint16_t kOrder[32] = {2, 0, 6, 4, 10, 8, 14, 12, 18, 16, 22, 20, 26, 24, 30, 28,
                                                      3, 1, 7, 5, 11, 9, 15, 13, 19, 17, 23, 21, 27, 25, 31, 29};
  return _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), values);
}

// Memory of one call.
struct Bf16Scratch {
  uint16_t* panel;  // [2 groups][chunk / 32][16 pairs][16 rows][2]
  float* acc;       // [token][groups][16]

  static KEDGE_INLINE Bf16Scratch place(std::byte* p) {
    return {reinterpret_cast<uint16_t*>(p), reinterpret_cast<float*>(p + 2 * kBf16Group * sizeof(uint16_t))};
  }
};

// Rows [first, first + 16) of a chunk of k; rows beyond n_rows are zero. The 16 rows that come 32 later are read ahead.
template <class F>
static void bf16_group(const WeightRows& w, int first, int k0, int len, uint16_t* out) {
  const int ahead = first + 2 * kGroupRows < w.n_rows ? 2 * kGroupRows : 0;
  for (int i = 0; i < len; i += 32, out += 32 * kGroupRows) {
    __m512i r[16];
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) {
      r[j] = _mm512_setzero_si512();
      if (first + j < w.n_rows) {
        const std::byte* row = w.data + static_cast<size_t>(first + j) * w.stride;
        const auto* values = reinterpret_cast<const typename F::Block*>(row) + k0 + i;
        __builtin_prefetch(reinterpret_cast<const std::byte*>(values) + static_cast<size_t>(ahead) * w.stride, 0, 2);
        if (sizeof(*values) == 4) {
          __builtin_prefetch(reinterpret_cast<const std::byte*>(values) + static_cast<size_t>(ahead) * w.stride + 64, 0,
                             2);
        }
        r[j] = chain_order(bf16_row<F>(values));
      }
    }
    store_transposed(r, out);
  }
}

// kG groups of rows and kT tokens over `steps` times 32 values, added to acc. (Loops over the sums as in fast_tile().)
template <int kG, int kT>
[[gnu::noinline]] static void bf16_tile(const uint16_t* panel, const uint16_t* x, size_t pitch, int steps, float* acc) {
  constexpr int kSums = kG * kT;  // of a chain, [token][group]
  const uint16_t* row[kT];
  static_for<kT>([&](auto token) __attribute__((always_inline)) {
    constexpr int t = decltype(token)::value;
    row[t] = x + static_cast<size_t>(t) * pitch;
  });
  for (int step = 0; step < steps; ++step, panel += 16 * kGroupRows) {
    __m512 chain[2 * kSums];
    static_for<2 * kSums>([&](auto index)
                              __attribute__((always_inline)) { chain[decltype(index)::value] = _mm512_setzero_ps(); });
#pragma GCC unroll 1
    for (int pair = 0; pair < 8; ++pair, panel += 2 * kGroupRows) {
      static_for<2>([&](auto which) __attribute__((always_inline)) {
        constexpr int odd = decltype(which)::value;
        const __m512i first = _mm512_load_si512(panel + odd * 16 * kGroupRows);
        const __m512i second = kG == 2 ? _mm512_load_si512(panel + kBf16Group + odd * 16 * kGroupRows) : first;
        static_for<kT>([&](auto token) __attribute__((always_inline)) {
          constexpr int t = decltype(token)::value;
          int32_t two;
          __builtin_memcpy(&two, row[t] + odd * 16, 4);
          const auto a = reinterpret_cast<__m512bh>(_mm512_set1_epi32(two));
          __m512* sum = chain + odd * kSums + t * kG;
          sum[0] = _mm512_dpbf16_ps(sum[0], reinterpret_cast<__m512bh>(first), a);
          if constexpr (kG == 2) sum[1] = _mm512_dpbf16_ps(sum[1], reinterpret_cast<__m512bh>(second), a);
        });
      });
      for (const uint16_t*& r : row) r += 2;
      static_for<2 * kSums>([&](auto index) __attribute__((always_inline)) {
        asm("" : "+v"(chain[decltype(index)::value]));
      });
    }
    for (const uint16_t*& r : row) r += 16;
    static_for<kSums>([&](auto index) __attribute__((always_inline)) {
      constexpr int i = decltype(index)::value;
      float* sum = acc + i * kGroupRows;
      const __m512 both = _mm512_add_ps(chain[i], chain[kSums + i]);
      _mm512_store_ps(sum, _mm512_add_ps(_mm512_load_ps(sum), both));
    });
  }
}

// All of k for kG groups of rows from `row` on and the tokens of a pass, to y.
template <class F, int kG>
static void bf16_rows(const WeightRows& w, int row, const ActRows& x, const Bf16Scratch& m, float* y, size_t ldy) {
  __builtin_memset(m.acc, 0, static_cast<size_t>(x.n) * kG * kGroupRows * sizeof(float));
  for (int k0 = 0; k0 < x.k; k0 += kBf16Chunk) {
    const int len = x.k - k0 < kBf16Chunk ? x.k - k0 : kBf16Chunk;
    for (int g = 0; g < kG; ++g) bf16_group<F>(w, row + g * kGroupRows, k0, len, m.panel + g * kBf16Group);
    equal_tiles<1, kBf16Tokens>(
        x.n, [&](auto tokens, int first) __attribute__((always_inline)) {
          bf16_tile<kG, decltype(tokens)::value>(m.panel, x.b16 + static_cast<size_t>(first) * x.row_pitch() + k0,
                                                 x.row_pitch(), len / 32, m.acc + first * kG * kGroupRows);
        });
  }
  for (int t = 0; t < x.n; ++t) {
    for (int g = 0; g < kG; ++g) {
      const int left = w.n_rows - row - g * kGroupRows;
      const auto mask = static_cast<__mmask16>(left < kGroupRows ? (1u << left) - 1 : 0xffffu);
      _mm512_mask_storeu_ps(y + static_cast<size_t>(t) * ldy + row + g * kGroupRows, mask,
                            _mm512_load_ps(m.acc + (t * kG + g) * kGroupRows));
    }
  }
}

template <class F>
[[gnu::noinline]] static void bf16_passes(const WeightRows& w, const ActRows& x, float* y, size_t ldy,
                                          std::byte* scratch) {
  const Bf16Scratch m = Bf16Scratch::place(scratch);
  int left = (x.n + kBf16Pass - 1) / kBf16Pass;
  for (int t0 = 0; t0 < x.n; --left) {
    ActRows part = x;
    part.n = (x.n - t0 + left - 1) / left;
    part.b16 += static_cast<size_t>(t0) * x.row_pitch();
    for (int row = 0; row < w.n_rows; row += 2 * kGroupRows) {
      float* out = y + static_cast<size_t>(t0) * ldy;
      if (w.n_rows - row > kGroupRows) {
        bf16_rows<F, 2>(w, row, part, m, out, ldy);
      } else {
        bf16_rows<F, 1>(w, row, part, m, out, ldy);
      }
    }
    t0 += part.n;
  }
}

// k is a multiple of 32. Additions take and give subnormals as zero while this runs.
template <class F>
static void matmul_bf16(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  constexpr unsigned kFlushResults = 0x8000;
  constexpr unsigned kFlushInputs = 0x0040;
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | kFlushResults | kFlushInputs);
  bf16_passes<F>(w, x, y, ldy, scratch);
  _mm_setcsr(before);
}

// In the order of the chains; n is a multiple of 32.
static void to_bf16(const float* x, uint16_t* y, int n) noexcept {
  for (int i = 0; i < n; i += 32) {
    const __m512bh v = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + 16), _mm512_loadu_ps(x + i));
    _mm512_storeu_si512(y + i, chain_order(reinterpret_cast<__m512i>(v)));
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
