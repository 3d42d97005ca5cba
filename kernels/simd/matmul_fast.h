// Products of `--numerics fast` (kernels/fast_numerics.h) with VNNI: packed weights are rounded to bytes with one scale
// per 256 values as they are read, so that 256 values are one integer dot and one fma. The tiles do not know the
// format. Any number of tokens takes this path, so a token's numbers do not depend on how many there are. Included by
// simd/table.cc only.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/matmul_shape.h"
#include "kernels/simd/requantise.h"

namespace kedge::kernels::KEDGE_ISA {

inline constexpr int kFastPass = 512;    // tokens whose sums stay in the second-level cache
inline constexpr int kFastTokens = 12;   // most of a tile; times two groups of rows: 24 sums in registers
inline constexpr int kFastPanel = 4096;  // bytes of 256 values of a group
// VNNI multiplies unsigned by signed bytes: weights are raised by this much, and so much of the activations taken away.
inline constexpr int kFastRaised = 128;

// 256 values of a group of sixteen rows to a panel of [64 quads][16 rows][4] bytes and a scale for each row.
using RequantiseFn = void (*)(const std::byte* block, int8_t* panel, float* scale);

template <class F>
static void requantise_raised(const std::byte* block, int8_t* panel, float* scale) {
  _mm512_store_ps(scale, requantise<F, kFastRaised>(block, panel));
}

// Memory of one call.
struct FastScratch {
  int8_t* panel;  // [2 groups][kFastPanel]
  float* scale;   // [2 groups][16]
  float* acc;     // [token][groups][16]
  int32_t* less;  // [256 values][token]: kFastRaised times the sum of a token's codes, negative

  static KEDGE_INLINE FastScratch place(std::byte* p) {
    FastScratch s;
    s.panel = reinterpret_cast<int8_t*>(p);
    s.scale = reinterpret_cast<float*>(p + 2 * kFastPanel);
    s.acc = s.scale + 2 * kGroupRows;
    s.less = reinterpret_cast<int32_t*>(s.acc + kFastPass * 2 * kGroupRows);
    return s;
  }
};

// A tile's input: 256 values of kT tokens, at the first one.
struct FastTile {
  const int8_t* q;
  size_t pitch;
  const float* d;
  size_t blocks;  // from token to token of d
  const int32_t* less;
  float* acc;
};

// kG groups of rows. Few sums are several each, or the next product would wait for the last one. (Loops over the sums
// are unrolled by the language: GCC 12 keeps an array that it unrolls itself in memory.)
template <int kG, int kT>
[[gnu::noinline]] static void fast_tile(const FastScratch& m, const FastTile& in) {
  constexpr int kSplit = kG * kT >= 8 ? 1 : kG * kT >= 4 ? 2 : 4;
  constexpr int kSums = kG * kT;
  __m512i sum[kSplit * kSums];
  static_for<kSplit * kSums>([&](auto index) __attribute__((always_inline)) {
    constexpr int i = decltype(index)::value;
    sum[i] = i < kSums ? _mm512_set1_epi32(in.less[i / kG]) : _mm512_setzero_si512();
  });
  const int8_t* panel = m.panel;
  const size_t pitch = in.pitch;
  // Four rows apart: the others are this and a multiple of the pitch that an address can hold.
  const int8_t* rows[3] = {in.q, in.q + 4 * pitch, in.q + 8 * pitch};
  for (int quad = 0; quad < 64; quad += 4, panel += 256) {
    static_for<4>([&](auto step) __attribute__((always_inline)) {
      constexpr int j = decltype(step)::value;
      const __m512i first = _mm512_load_si512(panel + j * 64);
      const __m512i second = kG == 2 ? _mm512_load_si512(panel + kFastPanel + j * 64) : first;
      static_for<kT>([&](auto token) __attribute__((always_inline)) {
        constexpr int t = decltype(token)::value;
        int32_t word;
        __builtin_memcpy(&word, rows[t / 4] + t % 4 * pitch + j * 4, 4);
        const __m512i a = _mm512_set1_epi32(word);
        __m512i* of_token = sum + j % kSplit * kSums + t * kG;
        of_token[0] = _mm512_dpbusd_epi32(of_token[0], first, a);
        if constexpr (kG == 2) of_token[1] = _mm512_dpbusd_epi32(of_token[1], second, a);
      });
    });
    for (const int8_t*& row : rows) row += 16;
    static_for<kSplit * kSums>([&](auto index) __attribute__((always_inline)) {
      asm("" : "+v"(sum[decltype(index)::value]));  // in a register: GCC 12 would store all of them every time
    });
  }
  float* acc = in.acc;
  static_for<kT>([&](auto token) __attribute__((always_inline)) {
    constexpr int t = decltype(token)::value;
    const __m512 dx = _mm512_set1_ps(in.d[t * in.blocks]);
    static_for<kG>([&](auto group) __attribute__((always_inline)) {
      constexpr int at = t * kG + decltype(group)::value;
      __m512i all = sum[at];
      if constexpr (kSplit >= 2) all = _mm512_add_epi32(all, sum[kSums + at]);
      if constexpr (kSplit == 4) {
        all = _mm512_add_epi32(all, _mm512_add_epi32(sum[2 * kSums + at], sum[3 * kSums + at]));
      }
      const __m512 scale = _mm512_mul_ps(_mm512_load_ps(m.scale + at % kG * kGroupRows), dx);
      _mm512_store_ps(acc + at * kGroupRows,
                      _mm512_fmadd_ps(_mm512_cvtepi32_ps(all), scale, _mm512_load_ps(acc + at * kGroupRows)));
    });
  });
}

// All of k for kG groups of rows, the first at `group`, and the tokens of a pass.
template <int kG>
static void fast_groups(const std::byte* group, size_t stride, RequantiseFn requantise_block, size_t block_bytes,
                        const ActRows& x, const FastScratch& m) {
  const auto blocks = static_cast<size_t>(x.k / 256);
  __builtin_memset(m.acc, 0, static_cast<size_t>(x.n) * kG * kGroupRows * sizeof(float));
  for (size_t b = 0; b < blocks; ++b) {
    for (int g = 0; g < kG; ++g) {
      requantise_block(group + static_cast<size_t>(g) * stride + b * block_bytes, m.panel + g * kFastPanel,
                       m.scale + g * kGroupRows);
    }
    equal_tiles<1, kFastTokens>(
        x.n, [&](auto tokens, int first) __attribute__((always_inline)) {
          const auto t = static_cast<size_t>(first);
          fast_tile<kG, decltype(tokens)::value>(
              m, {x.q + t * x.row_pitch() + b * 256, x.row_pitch(), x.d + t * blocks + b, blocks,
                  m.less + b * static_cast<size_t>(x.n) + t, m.acc + first * kG * kGroupRows});
        });
  }
}

KEDGE_INLINE void store_fast(const float* acc, int n_groups, int n, int n_rows, float* y, size_t ldy) {
  for (int t = 0; t < n; ++t) {
    for (int g = 0; g < n_groups && g * kGroupRows < n_rows; ++g) {
      const int rows = n_rows - g * kGroupRows < kGroupRows ? n_rows - g * kGroupRows : kGroupRows;
      _mm512_mask_storeu_ps(y + static_cast<size_t>(t) * ldy + g * kGroupRows, static_cast<__mmask16>((1u << rows) - 1),
                            _mm512_load_ps(acc + (t * n_groups + g) * kGroupRows));
    }
  }
}

static void fast_pass(const WeightRows& w, RequantiseFn requantise_block, size_t block_bytes, const ActRows& x,
                      float* y, size_t ldy, const FastScratch& m) {
  for (int t = 0; t < x.n; ++t) {
    const int16_t* sums = x.sums32 + static_cast<size_t>(t) * static_cast<size_t>(x.k / 32);
    for (int b = 0; b < x.k / 256; ++b) {
      int sum = 0;
      for (int i = 0; i < 8; ++i) sum += sums[b * 8 + i];
      m.less[b * x.n + t] = -kFastRaised * sum;
    }
  }
  // One token waits for memory, which likes a single stream.
  const int pair = x.n == 1 ? 1 : 2;
  for (int row = 0; row < w.n_rows; row += pair * kGroupRows) {
    const std::byte* group = w.data + static_cast<size_t>(row / kGroupRows) * w.stride;
    const int left = w.n_rows - row;
    if (pair == 2 && left > kGroupRows) {
      fast_groups<2>(group, w.stride, requantise_block, block_bytes, x, m);
      store_fast(m.acc, 2, x.n, left, y + row, ldy);
    } else {
      fast_groups<1>(group, w.stride, requantise_block, block_bytes, x, m);
      store_fast(m.acc, 1, x.n, left, y + row, ldy);
    }
  }
}

// All rows against all tokens, in nearly equal passes.
static void fast_passes(const WeightRows& w, RequantiseFn requantise_block, size_t block_bytes, const ActRows& x,
                        float* y, size_t ldy, std::byte* scratch) {
  const FastScratch m = FastScratch::place(scratch);
  int left = (x.n + kFastPass - 1) / kFastPass;
  for (int t0 = 0; t0 < x.n; --left) {
    const auto first = static_cast<size_t>(t0);
    const auto k = static_cast<size_t>(x.k);
    ActRows part = x;
    part.n = (x.n - t0 + left - 1) / left;
    part.q += first * x.row_pitch();
    part.d += first * (k / 256);
    part.sums32 += first * (k / 32);
    fast_pass(w, requantise_block, block_bytes, part, y + first * ldy, ldy, m);
    t0 += part.n;
  }
}

template <class F>
static void matmul_fast(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  using P = PackedBlock<F>;
  fast_passes(w, &requantise_raised<F>, static_cast<size_t>(256 / P::kValues * P::kBytes), x, y, ldy, scratch);
}

}  // namespace kedge::kernels::KEDGE_ISA
