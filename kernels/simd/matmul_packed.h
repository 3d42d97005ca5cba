// Matmul of packed quantised weights: rows across the lanes, a register tile of rows and tokens at a time. The integers
// are exact, and every output is one fma chain over ascending blocks, hence the reference's bits. Few tokens (decode)
// read the packed stream directly; many sweep a panel of codes unpacked to bytes. Included by simd/table.cc only.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/packed_codes.h"

namespace kedge::kernels::KEDGE_ISA {

// Registers of rows and tokens of the largest tile.
inline constexpr int kTileParts = S::kTileParts;
inline constexpr int kTileTokens = S::kTileTokens;
inline constexpr int kFewTokens = S::kFewTokens;  // of a tile that has the rows of one whole group
inline constexpr int kPartsOfGroup = kGroupRows / S::kRows;
// From this many tokens on the codes of a panel are unpacked once for all of them.
inline constexpr int kPanelTokens = 2 * kTileTokens;
// How far ahead of the computation the stream of weights is read.
inline constexpr size_t kAheadBytes = 2048;

// Four activation codes to all lanes.
KEDGE_INLINE S::Ints four_codes(const void* q) {
  int32_t word;
  __builtin_memcpy(&word, q, 4);
  return S::set_int(word);
}

// What a tile of kP registers of rows and kT tokens reads.
template <int kP, int kT>
struct TileInput {
  const std::byte* codes[kP];  // as Source says
  const std::byte* block[kP];  // packed blocks, moved to the register's 32-bit lanes
  size_t half_lane[kP];        // 16-bit lanes: back by this many bytes
  const int8_t* q[kT];
  const float* d[kT];
  const int16_t* sums[kT];  // per sub-block
};

// Reads the stream ahead while quad q of 32 codes is computed, evenly: a burst of requests would fill the buffers of
// the first-level cache and stop everything behind it.
template <class F, int q>
KEDGE_INLINE void fetch_ahead(const std::byte* codes) {
  constexpr int kLines = PackedBlock<F>::kGroupBytes / 64;
  const auto* ahead = reinterpret_cast<const char*>(codes) + kAheadBytes;
#pragma GCC unroll 8
  for (int line = q * kLines / 8; line < (q + 1) * kLines / 8; ++line) __builtin_prefetch(ahead + line * 64, 0, 3);
}

// Dots of 32 codes from quad kFrom on, kQuads quads, into `each(p, t, sum)` whenever sums must be taken.
template <class F, class Source, int kFrom, int kTo, int kP, int kT, class Each>
KEDGE_INLINE void quads_one_by_one(const TileInput<kP, kT>& in, size_t codes_at, int k_at, Each&& each) {
  using Dot = DotOf<F>;
  constexpr int kRun = Dot::kQuads;
  typename Dot::Sum sum[kP][kT];
  static_for<kTo, kFrom>([&](auto index) __attribute__((always_inline)) {
    constexpr int q = decltype(index)::value;
    // Decode: the stream is what takes the time.
    if constexpr (kT < kTileTokens) fetch_ahead<F, q>(in.codes[0] + codes_at);
    typename Dot::Weights w[kP];
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) w[p] = Dot::weights(Source::template quad<q>(in.codes[p] + codes_at));
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const auto a = S::template activations<q % 4>(in.q[t] + k_at + q * 4);
#pragma GCC unroll 16
      for (int p = 0; p < kP; ++p)
        sum[p][t] = (q - kFrom) % kRun == 0 ? Dot::first(w[p], a) : Dot::next(sum[p][t], w[p], a);
    }
    if constexpr ((q - kFrom) % kRun == kRun - 1 || q == kTo - 1) {
#pragma GCC unroll 16
      for (int p = 0; p < kP; ++p) {
#pragma GCC unroll 16
        for (int t = 0; t < kT; ++t) each(p, t, sum[p][t], (q - kFrom) / kRun == 0);
      }
    }
  });
}

template <class F, class Source, int kFrom, int kTo, int kP, int kT, class Each>
KEDGE_INLINE void dot_quads(const TileInput<kP, kT>& in, size_t codes_at, int k_at, Each&& each) {
  if constexpr (Source::kOwnDots) {
    Source::template dots<kFrom, kTo>(in, codes_at, k_at, each);
  } else {
    quads_one_by_one<F, Source, kFrom, kTo>(in, codes_at, k_at, each);
  }
}

template <class F, class Source, int kP, int kT>
KEDGE_INLINE void block32_step(const TileInput<kP, kT>& in, int b, S::Floats (&acc)[kP][kT]) {
  using P = PackedBlock<F>;
  using Dot = DotOf<F>;
  S::Ints dot[kP][kT];
  dot_quads<F, Source, 0, 8>(
      in, static_cast<size_t>(b) * Source::kBlockStride,
      b * 32, [&](int p, int t, const typename Dot::Sum& sum, bool first) __attribute__((always_inline)) {
        const S::Ints s = Dot::finish(sum);
        dot[p][t] = first ? s : S::add(dot[p][t], s);
      });
#pragma GCC unroll 16
  for (int p = 0; p < kP; ++p) {
    const std::byte* block = in.block[p] + static_cast<size_t>(b) * P::kBytes - in.half_lane[p];
    const S::Floats dw = load_scales<F>(block + P::kScales);
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const S::Floats dx = S::set_float(in.d[t][b]);
      S::Ints isum = dot[p][t];
      if constexpr (kZeroLeft<F> != 0) isum = S::sub(isum, S::set_int(kZeroLeft<F> * in.sums[t][b]));
      acc[p][t] = S::fma(S::to_float(isum), S::mul(dw, dx), acc[p][t]);
      if constexpr (F::kHasMin) {
        const S::Floats total = S::set_float(static_cast<float>(in.sums[t][b]));
        acc[p][t] = S::fma(total, S::mul(S::load_f16(block + P::kMins), dx), acc[p][t]);
      }
    }
  }
}

template <class F, class Source, int kP, int kT>
KEDGE_INLINE void super256_step(const TileInput<kP, kT>& in, int b, S::Floats (&acc)[kP][kT]) {
  using P = PackedBlock<F>;
  using Dot = DotOf<F>;
  constexpr int kQuads = F::kSub / 4;  // quads of a sub-block
  S::Ints total[kP][kT];
  S::Ints zeros[kP][kT];  // sub-scale * sum of activation codes
  S::Ints mins[kP][kT];
#pragma GCC unroll 16
  for (int p = 0; p < kP; ++p) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) total[p][t] = zeros[p][t] = mins[p][t] = S::set_int(0);
  }
  for (int four = 0; four < P::kSubs / 4; ++four) {
    SubPairs<F> subs[kP];
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) subs[p] = load_subs<F>(in.block[p] + static_cast<size_t>(b) * P::kBytes, four);
    if constexpr (F::kHasMin || kZeroLeft<F> != 0) {
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) {
        const int16_t* sums = in.sums[t] + b * P::kSubs + four * 4;
#pragma GCC unroll 16
        for (int h = 0; h < 2; ++h) {
          const S::Ints pair = four_codes(sums + 2 * h);
#pragma GCC unroll 16
          for (int p = 0; p < kP; ++p) {
            if constexpr (F::kHasMin) mins[p][t] = S::pair_dot(mins[p][t], subs[p].minimum[h], pair);
            if constexpr (kZeroLeft<F> != 0) zeros[p][t] = S::pair_dot(zeros[p][t], subs[p].scale[h], pair);
          }
        }
      }
    }
    static_for<4>([&](auto index) __attribute__((always_inline)) {
      constexpr int j = decltype(index)::value;  // sub-block of the four
      constexpr int kFrom = j * kQuads % 8;
      typename Dot::SubScale scale[kP];
#pragma GCC unroll 16
      for (int p = 0; p < kP; ++p) scale[p] = Dot::template sub_scale<j % 2>(subs[p].scale[j / 2]);
      const int group = (four * 4 + j) * kQuads / 8;
      dot_quads<F, Source, kFrom, kFrom + kQuads>(
          in, static_cast<size_t>(b) * Source::kBlockStride + static_cast<size_t>(group) * Source::kGroupStride,
          b * 256 + group * 32, [&](int p, int t, const typename Dot::Sum& sum, bool) __attribute__((always_inline)) {
            total[p][t] = Dot::finish_scaled(total[p][t], sum, scale[p]);
          });
    });
  }
#pragma GCC unroll 16
  for (int p = 0; p < kP; ++p) {
    const std::byte* block = in.block[p] + static_cast<size_t>(b) * P::kBytes - in.half_lane[p];
    const S::Floats dw = load_scales<F>(block + P::kScales);
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const S::Floats dx = S::set_float(in.d[t][b]);
      S::Ints isum = total[p][t];
      if constexpr (kZeroLeft<F> != 0)
        isum = S::sub(isum, S::template times_power<__builtin_ctz(kZeroLeft<F>)>(zeros[p][t]));
      acc[p][t] = S::fma(S::to_float(isum), S::mul(dw, dx), acc[p][t]);
      if constexpr (F::kHasMin) {
        acc[p][t] = S::fnma(S::to_float(mins[p][t]), S::mul(S::load_f16(block + P::kMins), dx), acc[p][t]);
      }
    }
  }
}

// kT tokens from t0 on against kP registers of rows from register `part` of `group` on.
template <class F, class Source, int kP, int kT>
KEDGE_INLINE void tile(const WeightRows& w, int group, int part, const std::byte* panel, const ActRows& x, int t0,
                       float* y, size_t ldy) {
  using P = PackedBlock<F>;
  const int n_blocks = x.k / P::kValues;
  const int n_subs = x.k / P::sub_size();
  const int16_t* all_sums = P::sub_size() == 16 ? x.sums16 : x.sums32;
  TileInput<kP, kT> in;
#pragma GCC unroll 16
  for (int p = 0; p < kP; ++p) {
    const int g = group + (part + p) / kPartsOfGroup;
    const auto lanes = static_cast<size_t>((part + p) % kPartsOfGroup * S::kRows);
    in.block[p] = w.data + static_cast<size_t>(g) * w.stride + lanes * 4;
    in.half_lane[p] = lanes * 2;
    const size_t panel_at = static_cast<size_t>(g - group) * static_cast<size_t>(x.k) * 16 + lanes * Source::kLaneBytes;
    in.codes[p] = panel == nullptr ? in.block[p] : panel + panel_at;
  }
#pragma GCC unroll 16
  for (int t = 0; t < kT; ++t) {
    const auto row = static_cast<size_t>(t0 + t);
    in.q[t] = x.q + row * x.row_pitch();
    in.d[t] = x.d + row * static_cast<size_t>(n_blocks);
    in.sums[t] = all_sums + row * static_cast<size_t>(n_subs);
  }
  S::Floats acc[kP][kT];
#pragma GCC unroll 16
  for (int p = 0; p < kP; ++p) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) acc[p][t] = S::set_float(0.0f);
  }
  for (int b = 0; b < n_blocks; ++b) {
    if constexpr (kT < kTileTokens) {
      // Scales and sub-scales, behind the codes.
      const auto* block = reinterpret_cast<const char*>(in.block[0] + static_cast<size_t>(b) * P::kBytes);
#pragma GCC unroll 16
      for (int line = P::kSubScales; line < P::kBytes; line += 64) __builtin_prefetch(block + kAheadBytes + line, 0, 3);
    }
    if constexpr (P::kSuper) {
      super256_step<F, Source>(in, b, acc);
    } else {
      block32_step<F, Source>(in, b, acc);
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < kT; ++t) {
    float* out = y + static_cast<size_t>(t0 + t) * ldy + group * kGroupRows;
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) {
      const int first = (part + p) * S::kRows;
      const int left = w.n_rows - group * kGroupRows - first;
      if (left >= S::kRows) {
        S::store_floats(out + first, acc[p][t]);
      } else if (left > 0) {
        alignas(64) float all[S::kRows];
        S::store_floats(all, acc[p][t]);
        for (int i = 0; i < left; ++i) out[first + i] = all[i];
      }
    }
  }
}

// All tokens against kP registers, the largest tiles first.
template <class F, class Source, int kP, int kMost>
KEDGE_INLINE void sweep(const WeightRows& w, int group, int part, const std::byte* panel, const ActRows& x, float* y,
                        size_t ldy) {
  int t = 0;
  for (; t + kMost <= x.n; t += kMost) tile<F, Source, kP, kMost>(w, group, part, panel, x, t, y, ldy);
  if (kMost > 4 && t + 4 <= x.n) {
    tile<F, Source, kP, 4>(w, group, part, panel, x, t, y, ldy);
    t += 4;
  }
  if (kMost > 2 && t + 2 <= x.n) {
    tile<F, Source, kP, 2>(w, group, part, panel, x, t, y, ldy);
    t += 2;
  }
  if (t < x.n) tile<F, Source, kP, 1>(w, group, part, panel, x, t, y, ldy);
}

// The codes of one group as bytes, as the panel has them.
template <class F>
KEDGE_INLINE void unpack_group(const std::byte* packed, int k, std::byte* panel) {
  using P = PackedBlock<F>;
  for (int b = 0; b < k / P::kValues; ++b) {
    for (int g = 0; g < P::kGroups; ++g) {
      const std::byte* planes = packed + static_cast<size_t>(b) * P::kBytes + g * P::kGroupBytes;
      FromPanel<F>::unpack(planes, panel);
      panel += 512;
    }
  }
}

template <class F>
static void matmul_few(const WeightRows& w, const ActRows& x, float* y, size_t ldy) {
  const int n_groups = (w.n_rows + kGroupRows - 1) / kGroupRows;
  for (int g = 0; g < n_groups; ++g) sweep<F, FromPacked<F>, kPartsOfGroup, kFewTokens>(w, g, 0, nullptr, x, y, ldy);
}

template <class F>
static void matmul_many(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) {
  constexpr int kGroups = kTileParts > kPartsOfGroup ? kTileParts / kPartsOfGroup : 1;
  const int n_groups = (w.n_rows + kGroupRows - 1) / kGroupRows;
  for (int g = 0; g < n_groups; g += kGroups) {
    const bool whole = g + kGroups <= n_groups;
    for (int i = 0; i < kGroups && g + i < n_groups; ++i) {
      unpack_group<F>(w.data + static_cast<size_t>(g + i) * w.stride, x.k,
                      scratch + static_cast<size_t>(i) * static_cast<size_t>(x.k) * 16);
    }
    if (whole) {
      for (int part = 0; part < kGroups * kPartsOfGroup; part += kTileParts) {
        sweep<F, FromPanel<F>, kTileParts, kTileTokens>(w, g, part, scratch, x, y, ldy);
      }
    } else {
      for (int part = 0; part < kPartsOfGroup; ++part)
        sweep<F, FromPanel<F>, 1, kTileTokens>(w, g, part, scratch, x, y, ldy);
    }
  }
}

template <class F>
static void matmul_quantised(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  if (x.n >= kPanelTokens) {
    matmul_many<F>(w, x, y, ldy, scratch);
  } else {
    matmul_few<F>(w, x, y, ldy);
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
