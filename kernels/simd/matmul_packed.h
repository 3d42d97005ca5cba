// Matmul of packed quantised weights for few tokens, straight from memory: rows across the lanes, a register tile of
// rows and tokens at a time. The integers are exact, and every output is one fma chain over ascending blocks, hence the
// reference's bits. How many rows and tokens a tile has is matmul_shape.h's choice. Included by simd/table.cc only.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/matmul_shape.h"
#include "kernels/simd/packed_codes.h"

namespace kedge::kernels::KEDGE_ISA {

// Groups a tile reads at once, each of a run of its own: a processor fetches several streams ahead by itself where it
// waits with one (Zen 5, Q8_0: 62 % of what a read test reaches with one, 80 % with two, 89 % with four). Super-blocks
// take long enough for one stream to keep up (92 %); two are slower, for want of registers.
template <class F>
constexpr int most_runs(int tokens) {
  if (kPartsOfGroup > 1 || PackedBlock<F>::kSuper) return 1;
  return tokens <= 2 ? 4 : tokens <= 4 ? 2 : 1;
}

// How far ahead of the computation each of the streams is read.
constexpr size_t ahead_bytes(int runs) { return runs > 1 ? 1024 : 4096; }

// What a tile of kP registers of rows and kT tokens reads, from its first block on. The registers are those of kRuns
// groups.
template <int kP, int kT, int kRuns>
struct TileInput {
  static constexpr int kPartsOfRun = kP / kRuns;
  static constexpr size_t kAhead = ahead_bytes(kRuns);
  const std::byte* block[kP];  // packed blocks, moved to the register's 32-bit lanes
  const std::byte* table;      // of codes, where packed blocks have one
  size_t half_lane[kP];        // 16-bit lanes: back by this many bytes
  const int8_t* q[kT];
  const float* d[kT];
  const int16_t* sums[kT];  // per sub-block
};

// Reads a stream ahead while quad q of 32 codes is computed, evenly: a burst of requests would fill the buffers of
// the first-level cache and stop everything behind it.
template <class F, int q>
KEDGE_INLINE void fetch_ahead(const std::byte* codes, size_t distance) {
  constexpr int kLines = PackedBlock<F>::kGroupBytes / 64;
  const auto* ahead = reinterpret_cast<const char*>(codes) + distance;
#pragma GCC unroll 8
  for (int line = q * kLines / 8; line < (q + 1) * kLines / 8; ++line) __builtin_prefetch(ahead + line * 64, 0, 3);
}

// Dots of 32 codes from quad kFrom on, kQuads quads, into `each(p, t, sum)` whenever sums must be taken.
template <class F, int kFrom, int kTo, int kP, int kT, int kRuns, class Each>
KEDGE_INLINE void dot_quads(const TileInput<kP, kT, kRuns>& in, size_t codes_at, int k_at, Each&& each) {
  using Dot = DotOf<F>;
  using In = TileInput<kP, kT, kRuns>;
  constexpr int kRun = Dot::kQuads;
  typename Dot::Sum sum[kP][kT];
  static_for<kTo, kFrom>([&](auto index) __attribute__((always_inline)) {
    constexpr int q = decltype(index)::value;
#pragma GCC unroll 16
    for (int p = 0; p < kP; p += In::kPartsOfRun) fetch_ahead<F, q>(in.block[p] + codes_at, In::kAhead);
    typename Dot::Weights w[kP];
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) w[p] = Dot::weights(quad_of_planes<F, q>(in.block[p] + codes_at, in.table));
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

template <class F, int kP, int kT, int kRuns>
KEDGE_INLINE void block32_step(const TileInput<kP, kT, kRuns>& in, int b, S::Floats (&acc)[kP][kT]) {
  using P = PackedBlock<F>;
  using Dot = DotOf<F>;
  static_for<P::kScaleCount>([&](auto index) __attribute__((always_inline)) {
    constexpr int j = decltype(index)::value;  // of the scales of 32 values
    constexpr int kQuads = 8 / P::kScaleCount;
    S::Ints dot[kP][kT];
    dot_quads<F, j * kQuads, (j + 1) * kQuads>(
        in, static_cast<size_t>(b) * P::kBytes,
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
template <class F, bool kMinimums, int kP, int kT, int kRuns>
KEDGE_INLINE void add_code_sums(const TileInput<kP, kT, kRuns>& in, int b, S::Ints (&sums)[kP][kT]) {
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
template <class F, int kP, int kT, int kRuns>
KEDGE_INLINE void super256_step(const TileInput<kP, kT, kRuns>& in, int b, S::Floats (&acc)[kP][kT]) {
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
      dot_quads<F, kFrom, kFrom + kQuads>(
          in, static_cast<size_t>(b) * P::kBytes + static_cast<size_t>(group) * P::kGroupBytes,
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
template <class F, int kP, int kT, int kRuns>
KEDGE_INLINE void tile_blocks(const TileInput<kP, kT, kRuns>& in, int n_blocks, S::Floats (&acc)[kP][kT]) {
  using P = PackedBlock<F>;
  using In = TileInput<kP, kT, kRuns>;
  for (int b = 0; b < n_blocks; ++b) {
    // Scales and sub-scales, behind the codes.
#pragma GCC unroll 16
    for (int p = 0; p < kP; p += In::kPartsOfRun) {
      const auto* block = reinterpret_cast<const char*>(in.block[p] + static_cast<size_t>(b) * P::kBytes);
#pragma GCC unroll 16
      for (int line = P::kSubScales; line < P::kBytes; line += 64) __builtin_prefetch(block + In::kAhead + line, 0, 3);
    }
    if constexpr (P::kSuper) {
      super256_step<F>(in, b, acc);
    } else {
      block32_step<F>(in, b, acc);
    }
  }
}

// Where in the matrix a tile is: its first group, the groups from run to run, its first register of every group.
struct TilePlace {
  int group;
  int apart;
  int part;
};

template <class F, int kP, int kT, int kRuns>
KEDGE_INLINE TileInput<kP, kT, kRuns> tile_input(const WeightRows& w, TilePlace at, const ActRows& x) {
  using P = PackedBlock<F>;
  constexpr int kSumOf = P::kSuper ? P::sub_size() : 32;
  const int16_t* all_sums = kSumOf == 16 ? x.sums16 : x.sums32;
  TileInput<kP, kT, kRuns> in;
  in.table = w.data + P::kTableAt;
#pragma GCC unroll 16
  for (int p = 0; p < kP; ++p) {
    const int group = at.group + p / in.kPartsOfRun * at.apart;
    const auto lanes = static_cast<size_t>((at.part + p % in.kPartsOfRun) * S::kRows);
    in.block[p] = w.data + static_cast<size_t>(group) * w.stride + lanes * 4;
    in.half_lane[p] = lanes * 2;
  }
#pragma GCC unroll 16
  for (int t = 0; t < kT; ++t) {
    const auto row = static_cast<size_t>(t);
    in.q[t] = x.q + row * x.row_pitch();
    in.d[t] = x.d + row * static_cast<size_t>(x.k) / P::kValues;
    in.sums[t] = all_sums + row * static_cast<size_t>(x.k) / kSumOf;
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
template <class F, int kP, int kT, int kRuns>
KEDGE_INLINE void stream_tile(const WeightRows& w, TilePlace at, const ActRows& x, float* y, size_t ldy) {
  const auto in = tile_input<F, kP, kT, kRuns>(w, at, x);
  S::Floats acc[kP][kT];
#pragma GCC unroll 16
  for (int p = 0; p < kP; ++p) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) acc[p][t] = S::set_float(0.0f);
  }
  tile_blocks<F>(in, x.k / PackedBlock<F>::kValues, acc);
#pragma GCC unroll 16
  for (int t = 0; t < kT; ++t) {
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) {
      const int group = at.group + p / in.kPartsOfRun * at.apart;
      const int first = group * kGroupRows + (at.part + p % in.kPartsOfRun) * S::kRows;
      store_rows(acc[p][t], first, w.n_rows, y + static_cast<size_t>(t) * ldy);
    }
  }
}

// Groups [first, n_groups): as many equally long runs of them as kRuns says at once, what is left over in fewer.
template <class F, int kT, int kRuns>
KEDGE_INLINE void stream_groups(const WeightRows& w, int first, int n_groups, const ActRows& x, float* y, size_t ldy) {
  constexpr int kParts = kT <= kShapes.whole_tokens ? kPartsOfGroup : 1;
  const int apart = (n_groups - first) / kRuns;
  for (int g = first; g < first + apart; ++g) {
    for (int part = 0; part < kPartsOfGroup; part += kParts) {
      stream_tile<F, kRuns * kParts, kT, kRuns>(w, {g, apart, part}, x, y, ldy);
    }
  }
  if constexpr (kRuns > 1) stream_groups<F, kT, kRuns / 2>(w, first + kRuns * apart, n_groups, x, y, ldy);
}

template <class F>
static void matmul_stream(const WeightRows& w, const ActRows& x, float* y, size_t ldy) {
  const int n_groups = (w.n_rows + kGroupRows - 1) / kGroupRows;
  one_tile<1, kShapes.stream_tokens>(
      x.n, 0, [&](auto tokens, int) __attribute__((always_inline)) {
        constexpr int kT = decltype(tokens)::value;
        stream_groups<F, kT, most_runs<F>(kT)>(w, 0, n_groups, x, y, ldy);
      });
}

}  // namespace kedge::kernels::KEDGE_ISA
