// Matmul of packed weights for many tokens with AMX-int8, exact: the integers and the fma chains are the reference's.
//
// A scale per 32 values allows 32 of the 64 values a tile instruction can add up, and one scaling of every 16 x 16
// sums. In K-quants the sub-scales are integers: sub-scale * code is an integer of up to 14 bits, split here into two
// digits of base 128, so that two products over the whole super-block give the exact sum, hi * 128 + lo. Included by
// simd/table_amx.cc only.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/amx_tiles.h"
#include "kernels/simd/packed_codes.h"

namespace kedge::KEDGE_ISA {

// Tokens of one pass over a panel; their sums stay in the second-level cache.
inline constexpr int kPassTokens = 512;
// Below this many tokens the vector kernels are faster.
inline constexpr int kTileMinTokens = 12;

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

// The digits of sub-scale * (code - zero), 14 bits at most, of one super-block of sixteen rows; formats whose products
// fit a byte have one digit.
template <class F>
struct Digits {
  static constexpr int kLargest = F::kZero > F::kMaxCode - F::kZero ? F::kZero : F::kMaxCode - F::kZero;
  static constexpr int largest_sub() {
    if constexpr (F::kHasMin) return F::kMaxSub;
    return 128;
  }
  static constexpr int kCount = kLargest * largest_sub() < 128 ? 1 : 2;
};

template <class F>
KEDGE_INLINE void unpack_digits(const std::byte* block, int8_t* lo) {
  using P = PackedBlock<F>;
  constexpr int kQuads = F::kSub / 4;
  int8_t* hi = lo + 4096;
  const __m512i first = _mm512_set1_epi32(0x01000100);
  const __m512i lanes = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
  const __m512i even = _mm512_or_si512(first, lanes);
  const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(0x02020202));
  const __m512i zero = _mm512_set1_epi16(F::kZero);
  const __m512i low_byte = _mm512_set1_epi16(0xff);
  const __m512i low_digits = _mm512_set1_epi8(0x7f);
  for (int four = 0; four < P::kSubs / 4; ++four) {
    const SubPairs<F> subs = load_subs<F>(block, four);
    static_for<4>([&](auto sub) __attribute__((always_inline)) {
      constexpr int j = decltype(sub)::value;
      const __m512i scale = _mm512_shuffle_epi8(subs.scale[j / 2], j % 2 == 0 ? even : odd);
      const int group = (four * 4 + j) * kQuads / 8;
      const std::byte* planes = block + group * P::kGroupBytes;
      constexpr int kFrom = j * kQuads % 8;
      static_for<kFrom + kQuads, kFrom>([&](auto quad) __attribute__((always_inline)) {
        constexpr int q = decltype(quad)::value;
        const __m512i codes = quad_of_planes<F, q>(planes);
        __m512i e = _mm512_and_si512(codes, low_byte);
        __m512i o = _mm512_srli_epi16(codes, 8);
        if constexpr (F::kZero != 0) {
          e = _mm512_sub_epi16(e, zero);
          o = _mm512_sub_epi16(o, zero);
        }
        e = _mm512_mullo_epi16(e, scale);
        o = _mm512_mullo_epi16(o, scale);
        const __mmask64 odd_bytes = 0xaaaaaaaaaaaaaaaaULL;
        const __m512i low = _mm512_mask_blend_epi8(odd_bytes, e, _mm512_slli_epi16(o, 8));
        const int at = (group * 8 + q) * 64;
        if constexpr (Digits<F>::kCount == 1) {
          _mm512_store_si512(lo + at, low);
        } else {
          _mm512_store_si512(lo + at, _mm512_and_si512(low, low_digits));
          _mm512_store_si512(hi + at,
                             _mm512_mask_blend_epi8(odd_bytes, _mm512_srai_epi16(e, 7), _mm512_slli_epi16(o, 1)));
        }
      });
    });
  }
}

// Scales and minimums of one super-block of sixteen rows, as the end of a block needs them.
template <class F>
struct SuperScales {
  __m512 d;
  __m512 dmin;
  __m512i minimum[8];  // pairs of neighbours
};
template <class F>
KEDGE_INLINE SuperScales<F> super_scales(const std::byte* block) {
  using P = PackedBlock<F>;
  SuperScales<F> s;
  s.d = load_scales<F>(block + P::kScales);
  if constexpr (F::kHasMin) {
    s.dmin = S::load_f16(block + P::kMins);
#pragma GCC unroll 4
    for (int four = 0; four < P::kSubs / 4; ++four) {
      const SubPairs<F> subs = load_subs<F>(block, four);
      s.minimum[2 * four] = subs.minimum[0];
      s.minimum[2 * four + 1] = subs.minimum[1];
    }
  }
  return s;
}

// The tiles of one group of rows against one or two token tiles, stored and waiting for their end of block.
struct Pending {
  const int32_t* sums = nullptr;  // [token tile][digit][16][16]
  float* acc = nullptr;           // [token][16] of the tiles' first token
  const float* d = nullptr;       // scale of the first token, stride tokens_d
  const int16_t* act_sums = nullptr;
  int n = 0;  // tokens
};

// One row (token) of what is pending: sums to floats, scaled into the accumulators.
template <class F>
KEDGE_INLINE void finish_super_row(const int32_t* sums, float* to, const float* d, const int16_t* act,
                                   const SuperScales<F>& s) {
  __m512i isum = _mm512_load_si512(sums);
  if constexpr (Digits<F>::kCount == 2) {
    isum = _mm512_add_epi32(isum, _mm512_slli_epi32(_mm512_load_si512(sums + 256), 7));
  }
  const __m512 dx = broadcast(d);
  __m512 acc = _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum), _mm512_mul_ps(s.d, dx), _mm512_load_ps(to));
  if constexpr (F::kHasMin) {
    __m512i msum = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int j = 0; j < PackedBlock<F>::kSubs / 2; ++j) {
      msum = _mm512_dpwssd_epi32(msum, s.minimum[j], broadcast_pair(act + 2 * j));
    }
    acc = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(msum), _mm512_mul_ps(s.dmin, dx), acc);
  }
  _mm512_store_ps(to, acc);
}

// Eight rows.
template <class F>
KEDGE_INLINE void finish_super(const Pending& p, const SuperScales<F>& s, size_t blocks, int begin) {
  constexpr int kDigits = Digits<F>::kCount;
  const int32_t* sums = p.sums + (begin / 16 * kDigits * 256 + begin % 16 * 16);
  float* to = p.acc + begin * 16;
  const auto first = static_cast<size_t>(begin);
  const float* d = p.d + first * blocks;
  const size_t act_stride = blocks * PackedBlock<F>::kSubs;
  const int16_t* act = p.act_sums + first * act_stride;
  if (p.n - begin >= 8) {
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i)
      finish_super_row<F>(sums + i * 16, to + i * 16, d + i * blocks, act + i * act_stride, s);
  } else {
    for (size_t i = 0; static_cast<int>(i) < p.n - begin; ++i) {
      finish_super_row<F>(sums + i * 16, to + i * 16, d + i * blocks, act + i * act_stride, s);
    }
  }
}

// Starts the products of one group with two token tiles (kTwo) or one, finishing what is pending in between, so that
// the vector units work while the tile unit does.
template <class F, bool kTwo>
KEDGE_INLINE void super_tiles(const int8_t* lo, const int8_t* a0, const int8_t* a1, size_t k, int32_t* sums,
                              const Pending& pending, const SuperScales<F>& scales, size_t blocks) {
  constexpr bool kDouble = Digits<F>::kCount == 2;
  const int8_t* hi = lo + 4096;
  _tile_zero(0);
  if (kDouble) _tile_zero(1);
  if (kTwo) _tile_zero(2);
  if (kTwo && kDouble) _tile_zero(3);
  for (int s = 0; s < 4; ++s) {
    _tile_loadd(4, a0 + s * 64, k);
    _tile_loadd(6, lo + s * 1024, 64);
    _tile_dpbssd(0, 4, 6);
    if (kDouble) {
      _tile_loadd(7, hi + s * 1024, 64);
      _tile_dpbssd(1, 4, 7);
    }
    if (kTwo) {
      _tile_loadd(5, a1 + s * 64, k);
      _tile_dpbssd(2, 5, 6);
      if (kDouble) _tile_dpbssd(3, 5, 7);
    }
    finish_super<F>(pending, scales, blocks, s * 8);
  }
  constexpr int kDigits = kDouble ? 2 : 1;
  _tile_stored(0, sums, 64);
  if (kDouble) _tile_stored(1, sums + 256, 64);
  if (kTwo) _tile_stored(2, sums + kDigits * 256, 64);
  if (kTwo && kDouble) _tile_stored(3, sums + 3 * 256, 64);
}

// kGroups groups of rows against all tokens of a pass, one super-block after the other.
template <class F, int kGroups>
KEDGE_INLINE void super_pass(const std::byte* const* group, const ActRows& x, const TokenTiles& tiles,
                             const AmxScratch& m) {
  using P = PackedBlock<F>;
  const auto blocks = static_cast<size_t>(x.k / 256);
  const int16_t* act_sums = F::kSub == 16 ? x.sums16 : x.sums32;
  const int n_tiles = tiles.count();
  for (size_t b = 0; b < blocks; ++b) {
    SuperScales<F> scales[kGroups];
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      unpack_digits<F>(group[g] + b * P::kBytes, m.weights + g * 8192);
      scales[g] = super_scales<F>(group[g] + b * P::kBytes);
    }
    memory_barrier();
    Pending pending;
    int turn = 0;
    for (int t = 0; t < n_tiles; t += 2) {
      const TokenTile first = tiles.at(t);
      const bool two = t + 1 < n_tiles;
      const TokenTile second = two ? tiles.at(t + 1) : first;
#pragma GCC unroll 4
      for (int g = 0; g < kGroups; ++g, turn ^= 1) {
        int32_t* sums = m.sums + turn * 1024;
        const SuperScales<F>& before = scales[(g + kGroups - 1) % kGroups];
        const int8_t* weights = m.weights + g * 8192;
        if (two) {
          super_tiles<F, true>(weights, first.q + b * 256, second.q + b * 256, tiles.pitch, sums, pending, before, blocks);
        } else {
          super_tiles<F, false>(weights, first.q + b * 256, nullptr, tiles.pitch, sums, pending, before, blocks);
        }
        pending.sums = sums;
        pending.acc = m.acc + (static_cast<size_t>(g) * kPassTokens + static_cast<size_t>(first.first)) * 16;
        pending.d = x.d + static_cast<size_t>(first.first) * blocks + b;
        pending.act_sums = act_sums + (static_cast<size_t>(first.first) * blocks + b) * P::kSubs;
        pending.n = first.n + (two ? second.n : 0);
      }
    }
    for (int begin = 0; begin < 32; begin += 8) finish_super<F>(pending, scales[kGroups - 1], blocks, begin);
  }
}

// Codes minus zero of up to eight blocks of 32 of sixteen rows.
template <class F>
KEDGE_INLINE void unpack_signed(const std::byte* blocks, int n, int8_t* out) {
  using P = PackedBlock<F>;
  const __m512i zero = _mm512_set1_epi8(static_cast<char>(F::kZero));
  for (int b = 0; b < n; ++b) {
    static_for<8>([&](auto quad) __attribute__((always_inline)) {
      constexpr int q = decltype(quad)::value;
      __m512i codes = quad_of_planes<F, q>(blocks + static_cast<size_t>(b) * P::kBytes);
      if constexpr (F::kZero != 0) codes = _mm512_sub_epi8(codes, zero);
      _mm512_store_si512(out + (b * 8 + q) * 64, codes);
    });
  }
}

// Up to eight blocks of 32 of one group of rows against one token tile.
struct Block32Item {
  const std::byte* packed = nullptr;  // the blocks' scales
  const int8_t* weights = nullptr;    // their codes, 512 bytes each
  TokenTile tokens = {};
  const float* d = nullptr;  // activation scale of the first token and block
  const int16_t* act_sums = nullptr;
  float* acc = nullptr;     // [16 tokens][16 rows]
  int32_t* sums = nullptr;  // [block][16][16]
  int n_blocks = 0;
};

// One block's sums to floats, scaled into the accumulators.
template <class F>
KEDGE_INLINE void finish_block32(const Block32Item& item, int b, size_t blocks, __m512 (&acc)[16]) {
  using P = PackedBlock<F>;
  const std::byte* block = item.packed + static_cast<size_t>(b) * P::kBytes;
  const __m512 dw = load_scales<F>(block + P::kScales);
  [[maybe_unused]] __m512 mw = _mm512_setzero_ps();
  if constexpr (F::kHasMin) mw = S::load_f16(block + P::kMins);
  const float* d = item.d + b;
  const int16_t* act_sums = item.act_sums + b;
  // Rows that are none read the scales of the last one.
  const size_t last = static_cast<size_t>(item.tokens.n - 1) * blocks;
#pragma GCC unroll 16
  for (size_t i = 0; i < 16; ++i) {
    const size_t row = i * blocks < last ? i * blocks : last;
    const __m512 dx = broadcast(d + row);
    const __m512i isum = _mm512_load_si512(item.sums + b * 256 + i * 16);
    acc[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum), _mm512_mul_ps(dw, dx), acc[i]);
    if constexpr (F::kHasMin) {
      const __m512 total = _mm512_set1_ps(static_cast<float>(act_sums[row]));
      acc[i] = _mm512_fmadd_ps(total, _mm512_mul_ps(mw, dx), acc[i]);
    }
  }
}

// The tile products of block b; blocks use different tiles in turn.
KEDGE_INLINE void start_block32(const Block32Item& item, int b, size_t k) {
  if (b % 2 == 0) {
    _tile_zero(0);
    _tile_loadd(4, item.tokens.q + b * 32, k);
    _tile_loadd(6, item.weights + b * 512, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_stored(0, item.sums + b * 256, 64);
  } else {
    _tile_zero(1);
    _tile_loadd(5, item.tokens.q + b * 32, k);
    _tile_loadd(7, item.weights + b * 512, 64);
    _tile_dpbssd(1, 5, 7);
    _tile_stored(1, item.sums + b * 256, 64);
  }
}

// Multiplies `next` while the sums of `pending` (whose n_blocks is 0 when there is none) are scaled.
template <class F>
KEDGE_INLINE void block32_items(const Block32Item& next, const Block32Item& pending, size_t k, size_t blocks) {
  __m512 acc[16];
  if (pending.n_blocks > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) acc[i] = _mm512_load_ps(pending.acc + i * 16);
  }
  for (int b = 0; b < 8; ++b) {
    if (b < next.n_blocks) start_block32(next, b, k);
    if (b < pending.n_blocks) finish_block32<F>(pending, b, blocks, acc);
  }
  if (pending.n_blocks > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_store_ps(pending.acc + i * 16, acc[i]);
  }
}

template <class F, int kGroups>
KEDGE_INLINE void block32_pass(const std::byte* const* group, const ActRows& x, const TokenTiles& tiles,
                               const AmxScratch& m) {
  using P = PackedBlock<F>;
  const int blocks = x.k / 32;
  for (int b = 0; b < blocks; b += 8) {
    const int n = blocks - b < 8 ? blocks - b : 8;
    const size_t at = static_cast<size_t>(b) * P::kBytes;
    for (int g = 0; g < kGroups; ++g) unpack_signed<F>(group[g] + at, n, m.weights + g * 4096);
    memory_barrier();
    Block32Item pending;
    int turn = 0;
    for (int t = 0; t < tiles.count(); ++t) {
      for (int g = 0; g < kGroups; ++g, turn ^= 1) {
        Block32Item next;
        next.tokens = tiles.at(t);
        const auto first = static_cast<size_t>(next.tokens.first);
        const size_t row = first * static_cast<size_t>(blocks) + static_cast<size_t>(b);
        next.tokens.q += b * 32;
        next.packed = group[g] + at;
        next.weights = m.weights + g * 4096;
        next.d = x.d + row;
        next.act_sums = x.sums32 + row;
        next.acc = m.acc + (static_cast<size_t>(g) * kPassTokens + first) * 16;
        next.sums = m.sums + turn * 2048;
        next.n_blocks = n;
        block32_items<F>(next, pending, tiles.pitch, static_cast<size_t>(blocks));
        pending = next;
      }
    }
    block32_items<F>(Block32Item{}, pending, tiles.pitch, static_cast<size_t>(blocks));
  }
}

template <class F>
struct ExactPass {
  template <int kGroups>
  KEDGE_INLINE static void run(const std::byte* const* group, const ActRows& x, const TokenTiles& tiles,
                               const AmxScratch& m) {
    if constexpr (PackedBlock<F>::kSuper) {
      super_pass<F, kGroups>(group, x, tiles, m);
    } else {
      block32_pass<F, kGroups>(group, x, tiles, m);
    }
  }
};

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

// kGroups groups of rows against the tokens of a pass.
template <class Pass, int kGroups>
KEDGE_INLINE void group_pass(const std::byte* first_group, size_t stride, const ActRows& x, const TokenTiles& tiles,
                             int n_rows, float* y, size_t ldy, const AmxScratch& m) {
  const std::byte* group[2] = {first_group, first_group + stride};
  for (int g = 0; g < kGroups; ++g) {
    __builtin_memset(m.acc + g * kPassTokens * 16, 0, static_cast<size_t>(tiles.count()) * 16 * 64);
  }
  Pass::template run<kGroups>(group, x, tiles, m);
  store_sums(m, x.n, n_rows, kGroups, y, ldy);
}

// All rows against all tokens, kPassTokens at a time. Activations have one scale per `act_block` values.
template <class Pass>
KEDGE_INLINE void matmul_passes(const WeightRows& w, const ActRows& x, int act_block, float* y, size_t ldy,
                                std::byte* scratch) {
  const AmxScratch m = AmxScratch::place(scratch);
  const auto k = static_cast<size_t>(x.k);
  for (int t0 = 0; t0 < x.n; t0 += kPassTokens) {
    ActRows part = x;
    const auto first = static_cast<size_t>(t0);
    part.n = x.n - t0 < kPassTokens ? x.n - t0 : kPassTokens;
    part.q += first * x.row_pitch();
    part.d += first * (k / static_cast<size_t>(act_block));
    part.sums16 += first * (k / 16);
    part.sums32 += first * (k / 32);
    const TokenTiles tiles = TokenTiles::make(part.q, part.n, x.k, x.row_pitch(), m.tail);
    for (int row = 0; row < w.n_rows; row += 32) {
      const std::byte* group = w.data + static_cast<size_t>(row / 16) * w.stride;
      float* out = y + first * ldy + row;
      if (w.n_rows - row > 16) {
        group_pass<Pass, 2>(group, w.stride, part, tiles, w.n_rows - row, out, ldy, m);
      } else {
        group_pass<Pass, 1>(group, w.stride, part, tiles, w.n_rows - row, out, ldy, m);
      }
    }
  }
}

template <class F>
static void matmul_tiles(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  configure_tiles(PackedBlock<F>::kSuper ? 64 : 32);
  matmul_passes<ExactPass<F>>(w, x, PackedBlock<F>::kValues, y, ldy, scratch);
  _tile_release();
}

}  // namespace kedge::KEDGE_ISA
