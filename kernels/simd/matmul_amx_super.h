// Exact products of K-quants with AMX-int8. Sub-scales are integers: sub-scale * code is an integer of up to 14 bits,
// split here into two digits, so that two products over the whole super-block give the exact sum. Included by
// simd/table_amx.cc only.
#pragma once

#include "kernels/simd/amx_passes.h"
#include "kernels/simd/packed_codes.h"

namespace kedge::kernels::KEDGE_ISA {

// How sub-scale * (code - zero), 14 bits at most, is split into bytes for a super-block of sixteen rows. Formats whose
// products fit a byte have one digit. Small scales are split themselves, in eights: both products fit an unsigned byte,
// and one multiplication gives those of two codes. Otherwise the product is split into digits of base 128.
template <class F>
struct Digits {
  static constexpr int kLargest = F::kZero > F::kMaxCode - F::kZero ? F::kZero : F::kMaxCode - F::kZero;
  static constexpr int largest_sub() {
    if constexpr (requires { F::kMaxSub; }) return F::kMaxSub;
    return 128;
  }
  static constexpr int kCount = kLargest * largest_sub() < 128 ? 1 : 2;
  static constexpr bool kSplitScales =
      kCount == 2 && F::kHasMin && F::kZero == 0 && largest_sub() < 64 && F::kMaxCode * 7 < 256;
  static constexpr int kBits = kSplitScales ? 3 : 7;  // of the low digit
  // A block is unpacked while the one before is multiplied, where that is short enough not to hold tiles up.
  static constexpr bool kUnpackMeanwhile = kSplitScales || kCount == 1;
};

// A quarter of the digits of one super-block of sixteen rows: low ones to lo, high ones 4096 bytes behind. An eighth of
// the block at `ahead` is read meanwhile, evenly.
template <class F>
KEDGE_INLINE void unpack_quarter(const std::byte* block, const std::byte* ahead, int quarter, int8_t* lo) {
  using P = PackedBlock<F>;
  constexpr int kQuads = F::kSub / 4;
  constexpr int kSubs = P::kSubs / 4;  // of a quarter
  int8_t* hi = lo + 4096;
  const __m512i first = _mm512_set1_epi32(0x01000100);
  const __m512i lanes = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
  const __m512i even = _mm512_or_si512(first, lanes);
  const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(0x02020202));
  const __m512i zero = _mm512_set1_epi16(F::kZero);
  const __m512i low_byte = _mm512_set1_epi16(0xff);
  const __m512i low_digits = _mm512_set1_epi8(0x7f);
  const SubPairs<F> subs = load_subs<F>(block, quarter * kSubs / 4);
  static_for<kSubs>([&](auto sub) __attribute__((always_inline)) {
    constexpr int j = decltype(sub)::value;
    fetch_share(ahead, P::kBytes, quarter * kSubs + j, 8 * kSubs);
    const __m512i pair = subs.scale[kSubs == 4 ? j / 2 : quarter % 2];
    const __m512i scale = _mm512_shuffle_epi8(pair, j % 2 == 0 ? even : odd);
    const __m512i scale_low = _mm512_and_si512(scale, _mm512_set1_epi16(7));
    const __m512i scale_high = _mm512_srli_epi16(scale, 3);
    const int group = (quarter * kSubs + j) * kQuads / 8;
    const std::byte* planes = block + group * P::kGroupBytes;
    constexpr int kFrom = j * kQuads % 8;
    static_for<kFrom + kQuads, kFrom>([&](auto quad) __attribute__((always_inline)) {
      constexpr int q = decltype(quad)::value;
      const __m512i codes = quad_of_planes<F, q>(planes, block + P::kTableAt);
      const int at = (group * 8 + q) * 64;
      if constexpr (Digits<F>::kSplitScales) {
        _mm512_store_si512(lo + at, _mm512_mullo_epi16(codes, scale_low));
        _mm512_store_si512(hi + at, _mm512_mullo_epi16(codes, scale_high));
        return;
      }
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
template <class F>
struct Pending {
  const int32_t* sums = nullptr;  // [digit][32 tokens][16]
  float* acc = nullptr;           // [token][16]
  const float* d = nullptr;       // scale of the first token
  const int16_t* act_sums = nullptr;
  const SuperScales<F>* scales = nullptr;
  int n = 0;  // tokens
};

// One token of what is pending: sums to floats, scaled into the accumulators.
template <class F>
KEDGE_INLINE void finish_super_row(const Pending<F>& p, int i, size_t blocks) {
  const auto row = static_cast<size_t>(i) * blocks;
  __m512i isum = _mm512_load_si512(p.sums + i * 16);
  if constexpr (Digits<F>::kCount == 2) {
    const __m512i high = _mm512_load_si512(p.sums + 512 + i * 16);
    isum = _mm512_add_epi32(isum, _mm512_slli_epi32(high, Digits<F>::kBits));
  }
  float* to = p.acc + i * 16;
  const __m512 dx = broadcast(p.d + row);
  __m512 acc = _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum), _mm512_mul_ps(p.scales->d, dx), _mm512_load_ps(to));
  if constexpr (F::kHasMin) {
    const int16_t* act = p.act_sums + row * PackedBlock<F>::kSubs;
    __m512i msum = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int j = 0; j < PackedBlock<F>::kSubs / 2; ++j) {
      msum = _mm512_dpwssd_epi32(msum, p.scales->minimum[j], broadcast_pair(act + 2 * j));
    }
    acc = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(msum), _mm512_mul_ps(p.scales->dmin, dx), acc);
  }
  _mm512_store_ps(to, acc);
}

// Quarter `quarter` of what is pending.
template <class F>
KEDGE_INLINE void finish_super(const Pending<F>& p, int quarter, size_t blocks) {
  const int end = p.n * (quarter + 1) / 4;
  int i = p.n * quarter / 4;
  for (; i + 4 <= end; i += 4) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) finish_super_row(p, i + j, blocks);
  }
  for (; i < end; ++i) finish_super_row(p, i, blocks);
}

// sums += tokens * weights, by the kind of weights; arguments are numbers of tile registers.
#define KEDGE_DIGIT_PRODUCTS(F, sums, tokens, weights) \
  if constexpr (Digits<F>::kSplitScales) {             \
    _tile_dpbsud(sums, tokens, weights);               \
  } else {                                             \
    _tile_dpbssd(sums, tokens, weights);               \
  }

// What is done while tiles are multiplied, a quarter after every fourth of their depth.
template <class F>
struct Meanwhile {
  const std::byte* next = nullptr;   // the block to unpack, null: none
  int8_t* next_weights = nullptr;    // its digits
  const std::byte* ahead = nullptr;  // the block to read ahead: half of it while a block is unpacked, and of the rest
  int share = 0;                     // the shares from this one on
  int shares = 1;
  Pending<F> pending;  // to be finished

  KEDGE_INLINE void quarter(int i, size_t blocks) const {
    fetch_share(ahead, PackedBlock<F>::kBytes, share + i, shares);
    if (Digits<F>::kUnpackMeanwhile && next != nullptr) unpack_quarter<F>(next, ahead, i, next_weights);
    finish_super(pending, i, blocks);
  }
};

// Starts the products of one group with two token tiles (kTwo; the second's sums begin with token `second`) or one. The
// vector units work meanwhile: the sums of a tile are waited for longer than they take.
template <class F, bool kTwo>
KEDGE_INLINE void super_tiles(const int8_t* lo, const int8_t* a0, const int8_t* a1, int second, size_t pitch,
                              int32_t* sums, const Meanwhile<F>& meanwhile, size_t blocks) {
  constexpr bool kDouble = Digits<F>::kCount == 2;
  const int8_t* hi = lo + 4096;
  _tile_zero(0);
  if (kDouble) _tile_zero(1);
  if (kTwo) _tile_zero(2);
  if (kTwo && kDouble) _tile_zero(3);
  for (int s = 0; s < 4; ++s) {
    _tile_loadd(4, a0 + s * 64, pitch);
    _tile_loadd(6, lo + s * 1024, 64);
    KEDGE_DIGIT_PRODUCTS(F, 0, 4, 6)
    if (kDouble) {
      _tile_loadd(7, hi + s * 1024, 64);
      KEDGE_DIGIT_PRODUCTS(F, 1, 4, 7)
    }
    if (kTwo) {
      _tile_loadd(5, a1 + s * 64, pitch);
      KEDGE_DIGIT_PRODUCTS(F, 2, 5, 6)
      if (kDouble) {
        KEDGE_DIGIT_PRODUCTS(F, 3, 5, 7)
      }
    }
    meanwhile.quarter(s, blocks);
  }
  _tile_stored(0, sums, 64);
  if (kDouble) _tile_stored(1, sums + 512, 64);
  if (kTwo) _tile_stored(2, sums + second * 16, 64);
  if (kTwo && kDouble) _tile_stored(3, sums + 512 + second * 16, 64);
}

// kGroups groups of rows against all tokens of a pass, one super-block after the other.
template <class F, int kGroups>
KEDGE_INLINE void super_pass(const std::byte* const* group, size_t stride, const ActRows& x, const EqualTiles& tiles,
                             const AmxScratch& m) {
  using P = PackedBlock<F>;
  const int n_blocks = x.k / 256;
  const auto blocks = static_cast<size_t>(n_blocks);
  const int16_t* act_sums = F::kSub == 16 ? x.sums16 : x.sums32;
  const int n_tiles = tiles.count();
  SuperScales<F> scales[2];
  const int half = (n_tiles + 1) / 2 * 4;  // shares of the half of a block that is read while tiles are multiplied
  constexpr bool kMeanwhile = Digits<F>::kUnpackMeanwhile;
  Meanwhile<F> meanwhile;
  meanwhile.shares = 2 * half;
  Pending<F>& pending = meanwhile.pending;
  auto unpack = [&](const std::byte* packed, const std::byte* ahead, int8_t* weights) __attribute__((always_inline)) {
    for (int quarter = 0; quarter < 4; ++quarter) unpack_quarter<F>(packed, ahead, quarter, weights);
  };
  // Block b of group g, b counted on into the groups after these.
  auto block_at = [&](int g, int b) __attribute__((always_inline)) {
    const std::byte* p = group[g] + static_cast<size_t>(b) * P::kBytes;
    return b < n_blocks ? p : p + kGroups * stride - blocks * P::kBytes;
  };
  if (kMeanwhile) unpack(group[0], block_at(0, 1), m.weights);
  int turn = 0;
  int buffer = 0;
  for (int b = 0; b < n_blocks; ++b) {
    const auto block = static_cast<size_t>(b);
    for (int g = 0; g < kGroups; ++g, buffer ^= 1) {
      int8_t* weights = m.weights + buffer * 8192;
      if (kMeanwhile) {
        const bool last = g + 1 == kGroups;
        meanwhile.next = !last ? block_at(g + 1, b) : b + 1 < n_blocks ? block_at(0, b + 1) : nullptr;
        meanwhile.next_weights = m.weights + (buffer ^ 1) * 8192;
        meanwhile.ahead = block_at(g, b + 2);
      } else {
        meanwhile.ahead = block_at(g, b + 1);
        unpack(block_at(g, b), meanwhile.ahead, weights);
      }
      scales[buffer] = super_scales<F>(group[g] + block * P::kBytes);
      memory_barrier();
      for (int t = 0; t < n_tiles; t += 2, turn ^= 1) {
        const bool two = t + 1 < n_tiles;
        const int again = two ? 0 : tiles.again(t);
        const auto first = static_cast<size_t>(tiles.first(t) + again);
        int32_t* sums = m.sums + turn * 1024;
        meanwhile.share = half + 2 * t;
        if (two) {
          const int second = tiles.first(t + 1) - tiles.first(t);
          super_tiles<F, true>(weights, tiles.at(t) + b * 256, tiles.at(t + 1) + b * 256, second, tiles.pitch, sums,
                               meanwhile, blocks);
        } else {
          super_tiles<F, false>(weights, tiles.at(t) + b * 256, nullptr, 0, tiles.pitch, sums, meanwhile, blocks);
        }
        meanwhile.next = nullptr;
        pending.sums = sums + again * 16;
        pending.acc = m.acc + (static_cast<size_t>(g) * kPassTokens + first) * 16;
        pending.d = x.d + first * blocks + block;
        pending.act_sums = act_sums + (first * blocks + block) * P::kSubs;
        pending.scales = &scales[buffer];
        const int left = tiles.n - static_cast<int>(first);
        pending.n = left < 2 * tiles.size ? left : 2 * tiles.size;
      }
    }
  }
  memory_barrier();
  for (int quarter = 0; quarter < 4; ++quarter) finish_super(pending, quarter, blocks);
}

#undef KEDGE_DIGIT_PRODUCTS

}  // namespace kedge::kernels::KEDGE_ISA
