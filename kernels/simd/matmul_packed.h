// Matmul of packed quantised weights: rows across the lanes, a register tile of rows and tokens at a time. The integers
// are exact, and every output is one fma chain over ascending blocks, hence the reference's bits. How many rows and
// tokens a tile has is matmul_shape.h's choice. Included by simd/table.cc only.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/matmul_shape.h"
#include "kernels/simd/packed_codes.h"

namespace kedge::kernels::KEDGE_ISA {

// How far ahead of the computation the stream of weights is read.
inline constexpr size_t kAheadBytes = 4096;

// What a tile of kP registers of rows and kT tokens reads, from its first block on.
template <int kP, int kT>
struct TileInput {
  const std::byte* codes[kP];  // as Source says
  const std::byte* block[kP];  // packed blocks, moved to the register's 32-bit lanes
  const std::byte* table;      // of codes, where packed blocks have one
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
    if constexpr (Source::kStream) fetch_ahead<F, q>(in.codes[0] + codes_at);
    typename Dot::Weights w[kP];
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) w[p] = Dot::weights(Source::template quad<q>(in.codes[p] + codes_at, in.table));
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
  static_for<P::kScaleCount>([&](auto index) __attribute__((always_inline)) {
    constexpr int j = decltype(index)::value;  // of the scales of 32 values
    constexpr int kQuads = 8 / P::kScaleCount;
    S::Ints dot[kP][kT];
    dot_quads<F, Source, j * kQuads, (j + 1) * kQuads>(
        in, static_cast<size_t>(b) * Source::kBlockStride,
        b * 32, [&](int p, int t, const typename Dot::Sum& sum, bool first) __attribute__((always_inline)) {
          const S::Ints s = Dot::finish(sum);
          dot[p][t] = first ? s : S::add(dot[p][t], s);
        });
    const auto code_sum = [&](int t) __attribute__((always_inline)) {
      return P::kScaleCount == 1 ? int{in.sums[t][b]} : S::sum16(in.q[t] + b * 32 + j * 16);
    };
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) {
      const std::byte* block = in.block[p] + static_cast<size_t>(b) * P::kBytes - in.half_lane[p];
      const S::Floats dw = load_scales<F>(block + P::kScales + j * 2 * kGroupRows);
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) {
        const S::Floats dx = S::set_float(in.d[t][b]);
        S::Ints isum = dot[p][t];
        if constexpr (kZeroLeft<F> != 0) isum = S::sub(isum, S::set_int(kZeroLeft<F> * code_sum(t)));
        acc[p][t] = S::fma(S::to_float(isum), S::mul(dw, dx), acc[p][t]);
        if constexpr (F::kHasMin) {
          const S::Floats total = S::set_float(static_cast<float>(in.sums[t][b]));
          acc[p][t] = S::fma(total, S::mul(S::load_f16(block + P::kMins), dx), acc[p][t]);
        }
      }
    }
  });
}

// sums[p][t] += for every sub-block, its sub-scale (or sub-minimum) times the sum of the activation codes.
template <class F, bool kMinimums, int kP, int kT>
KEDGE_INLINE void add_code_sums(const TileInput<kP, kT>& in, int b, S::Ints (&sums)[kP][kT]) {
  using P = PackedBlock<F>;
  for (int four = 0; four < P::kSubs / 4; ++four) {
    SubPairs<F> subs[kP];
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) subs[p] = load_subs<F>(in.block[p] + static_cast<size_t>(b) * P::kBytes, four);
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const int16_t* of_codes = in.sums[t] + b * P::kSubs + four * 4;
#pragma GCC unroll 16
      for (int h = 0; h < 2; ++h) {
        const S::Ints pair = four_codes(of_codes + 2 * h);
#pragma GCC unroll 16
        for (int p = 0; p < kP; ++p) {
          sums[p][t] = S::pair_dot(sums[p][t], kMinimums ? subs[p].minimum[h] : subs[p].scale[h], pair);
        }
      }
    }
  }
}

// x * kFactor.
template <int kFactor>
KEDGE_INLINE S::Ints times(S::Ints x) {
  if constexpr ((kFactor & (kFactor - 1)) == 0) return S::template times_power<__builtin_ctz(kFactor)>(x);
  return S::times_int(x, kFactor);
}

template <int kP, int kT>
KEDGE_INLINE void set_zero(S::Ints (&sums)[kP][kT]) {
#pragma GCC unroll 16
  for (int p = 0; p < kP; ++p) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) sums[p][t] = S::set_int(0);
  }
}

// The three sums of a super-block one after the other, so that only one set of them asks for registers.
template <class F, class Source, int kP, int kT>
KEDGE_INLINE void super256_step(const TileInput<kP, kT>& in, int b, S::Floats (&acc)[kP][kT]) {
  using P = PackedBlock<F>;
  using Dot = DotOf<F>;
  constexpr int kQuads = F::kSub / 4;  // quads of a sub-block
  S::Ints total[kP][kT];
  set_zero(total);
  if constexpr (kZeroLeft<F> != 0) {
    add_code_sums<F, false>(in, b, total);
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) {
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) {
        total[p][t] = S::sub(S::set_int(0), times<kZeroLeft<F>>(total[p][t]));
      }
    }
  }
  for (int four = 0; four < P::kSubs / 4; ++four) {
    SubPairs<F> subs[kP];
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) subs[p] = load_subs<F>(in.block[p] + static_cast<size_t>(b) * P::kBytes, four);
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
    const S::Floats dw =
        load_scales<F>(in.block[p] + static_cast<size_t>(b) * P::kBytes - in.half_lane[p] + P::kScales);
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      acc[p][t] = S::fma(S::to_float(total[p][t]), S::mul(dw, S::set_float(in.d[t][b])), acc[p][t]);
    }
  }
  if constexpr (F::kHasMin) {
    set_zero(total);
    add_code_sums<F, true>(in, b, total);
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) {
      const S::Floats mw = S::load_f16(in.block[p] + static_cast<size_t>(b) * P::kBytes - in.half_lane[p] + P::kMins);
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) {
        acc[p][t] = S::fnma(S::to_float(total[p][t]), S::mul(mw, S::set_float(in.d[t][b])), acc[p][t]);
      }
    }
  }
}

// Blocks [0, n_blocks) of a tile.
template <class F, class Source, int kP, int kT>
KEDGE_INLINE void tile_blocks(const TileInput<kP, kT>& in, int n_blocks, S::Floats (&acc)[kP][kT]) {
  using P = PackedBlock<F>;
  for (int b = 0; b < n_blocks; ++b) {
    if constexpr (Source::kStream) {
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
}

// The input of kT tokens from t0 on and of kP registers of rows from register `part` of `group` on, from value k0 on.
// `panel` holds their codes from k0 on, if there is one.
template <class F, class Source, int kP, int kT>
KEDGE_INLINE TileInput<kP, kT> tile_input(const WeightRows& w, int group, int part, const std::byte* panel,
                                          const ActRows& x, int t0, int k0) {
  using P = PackedBlock<F>;
  constexpr int kSumOf = P::kSuper ? P::sub_size() : 32;
  const int16_t* all_sums = kSumOf == 16 ? x.sums16 : x.sums32;
  const int n_groups = (w.n_rows + kGroupRows - 1) / kGroupRows;
  TileInput<kP, kT> in;
  in.table = w.data + P::kTableAt;
#pragma GCC unroll 16
  for (int p = 0; p < kP; ++p) {
    const int g = (part + p) / kPartsOfGroup;
    const int there = group + g < n_groups ? group + g : group;  // a missing last group: its sums are dropped
    const auto lanes = static_cast<size_t>((part + p) % kPartsOfGroup * S::kRows);
    in.block[p] =
        w.data + static_cast<size_t>(there) * w.stride + static_cast<size_t>(k0 / P::kValues) * P::kBytes + lanes * 4;
    in.half_lane[p] = lanes * 2;
    in.codes[p] = Source::kStream ? in.block[p] : panel + g * kPanelValues * kGroupRows + lanes * Source::kLaneBytes;
  }
#pragma GCC unroll 16
  for (int t = 0; t < kT; ++t) {
    const auto row = static_cast<size_t>(t0 + t);
    in.q[t] = x.q + row * x.row_pitch() + k0;
    in.d[t] = x.d + (row * static_cast<size_t>(x.k) + static_cast<size_t>(k0)) / P::kValues;
    in.sums[t] = all_sums + (row * static_cast<size_t>(x.k) + static_cast<size_t>(k0)) / kSumOf;
  }
  return in;
}

// The sums of S::kRows rows from `first` on to y, as many as there are.
KEDGE_INLINE void store_rows(S::Floats sums, int first, int n_rows, float* y) {
  const int left = n_rows - first;
  if (left >= S::kRows) {
    S::store_floats(y + first, sums);
  } else if (left > 0) {
    alignas(64) float all[S::kRows];
    S::store_floats(all, sums);
    for (int i = 0; i < left; ++i) y[first + i] = all[i];
  }
}

// All of k for kT tokens, from the packed stream.
template <class F, int kP, int kT>
KEDGE_INLINE void stream_tile(const WeightRows& w, int group, int part, const ActRows& x, float* y, size_t ldy) {
  const auto in = tile_input<F, FromPacked<F>, kP, kT>(w, group, part, nullptr, x, 0, 0);
  S::Floats acc[kP][kT];
#pragma GCC unroll 16
  for (int p = 0; p < kP; ++p) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) acc[p][t] = S::set_float(0.0f);
  }
  tile_blocks<F, FromPacked<F>>(in, x.k / PackedBlock<F>::kValues, acc);
#pragma GCC unroll 16
  for (int t = 0; t < kT; ++t) {
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) {
      store_rows(acc[p][t], group * kGroupRows + (part + p) * S::kRows, w.n_rows, y + static_cast<size_t>(t) * ldy);
    }
  }
}

template <class F>
static void matmul_stream(const WeightRows& w, const ActRows& x, float* y, size_t ldy) {
  const int n_groups = (w.n_rows + kGroupRows - 1) / kGroupRows;
  for (int g = 0; g < n_groups; ++g) {
    one_tile<1, kShapes.stream_tokens>(
        x.n, 0, [&](auto tokens, int) __attribute__((always_inline)) {
          constexpr int kT = decltype(tokens)::value;
          constexpr int kP = kT <= kShapes.whole_tokens ? kPartsOfGroup : 1;
          for (int part = 0; part < kPartsOfGroup; part += kP) stream_tile<F, kP, kT>(w, g, part, x, y, ldy);
        });
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
