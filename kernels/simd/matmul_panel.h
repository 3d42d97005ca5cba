// Products with many tokens: a panel of unpacked codes (panel.h) that tiles of tokens sweep while it lies in the
// first-level cache. Between panels the float sums wait in memory, so that integer sums have all the registers.
// Included by simd/table.cc only.
#pragma once

#include "kernels/simd/matmul_packed.h"
#include "kernels/simd/panel_layout.h"

namespace kedge::kernels::KEDGE_ISA {

// The sub-scales (or sub-minimums) of a super-block to rows of numbers.
template <class F>
KEDGE_INLINE void unpack_subs(const std::byte* block, std::byte* panel) {
  using P = PackedBlock<F>;
  using L = PanelLayout<F>;
  using Dot = PanelDot<F>;
  for (int lane = 0; lane < kGroupRows * 4; lane += S::kRows * 4) {
    for (int four = 0; four < P::kSubs / 4; ++four) {
      const SubPairs<F> subs = load_subs<F>(block + lane, four);
      std::byte* scales = panel + L::kSubScales + four * 4 * L::kRow + lane;
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        S::store_codes(scales + 2 * h * L::kRow, Dot::template sub_scale<0>(subs.scale[h]));
        S::store_codes(scales + (2 * h + 1) * L::kRow, Dot::template sub_scale<1>(subs.scale[h]));
        if constexpr (F::kHasMin) {
          S::store_codes(panel + L::kSubMins + (four * 2 + h) * L::kRow + lane, subs.minimum[h]);
        }
      }
    }
  }
}

// `len` values from `blocks` on of one group to the panel.
template <class F>
KEDGE_INLINE void unpack_chunk(const std::byte* blocks, int len, std::byte* panel) {
  using P = PackedBlock<F>;
  using L = PanelLayout<F>;
  for (int b = 0; b < len / P::kValues; ++b) {
    const std::byte* block = blocks + b * P::kBytes;
    for (int i = 0; i < P::kGroups; ++i) {
      unpack_to_panel<F>(block + i * P::kGroupBytes, block + P::kTableAt,
                         panel + (b * P::kGroups + i) * L::kGroupBytes);
    }
    if constexpr (P::kSuper) unpack_subs<F>(block, panel);
    for (int row = 0; row < kGroupRows; row += S::kRows) {
#pragma GCC unroll 2
      for (int j = 0; j < P::kScaleCount; ++j) {
        S::store_floats(reinterpret_cast<float*>(panel + L::kScales + (b * P::kScaleCount + j) * L::kRow) + row,
                        load_scales<F>(block + P::kScales + (j * kGroupRows + row) * 2));
      }
      if constexpr (F::kHasMin) {
        S::store_floats(reinterpret_cast<float*>(panel + L::kMins + b * L::kRow) + row,
                        S::load_f16(block + P::kMins + row * 2));
      }
    }
  }
}

// Values [k0, k0 + len) of token `row` to a TokenChunk.
template <class F>
KEDGE_INLINE void describe_token(const ActRows& x, int row, int k0, int len, std::byte* chunk) {
  using P = PackedBlock<F>;
  using C = TokenChunk<F>;
  using Sums = PanelSums<F>;
  const size_t at = static_cast<size_t>(row) * static_cast<size_t>(x.k) + static_cast<size_t>(k0);
  const int blocks = len / P::kValues;
  __builtin_memcpy(chunk + C::kScales, x.d + at / P::kValues, static_cast<size_t>(blocks) * 4);
  if constexpr (Sums::kZero != 0) {
    constexpr int kCodes = 4 * Sums::kStartQuads;
    const int8_t* q = x.q + static_cast<size_t>(row) * x.row_pitch() + k0;
    auto* starts = reinterpret_cast<int32_t*>(chunk + C::kStarts);
    for (int i = 0; i < len / kCodes; ++i) {
      if constexpr (Sums::kStarts && PanelDot<F>::kPairStarts) {
        starts[i] = PanelDot<F>::template start_word<Sums::kZero, Sums::kStartQuads>(q + i * kCodes);
      } else if constexpr (kCodes == 32) {
        starts[i] = -Sums::kZero * x.sums32[at / 32 + static_cast<size_t>(i)];
      } else if constexpr (P::kSuper) {
        starts[i] = -Sums::kZero * x.sums16[at / 16 + static_cast<size_t>(i)];
      } else {
        starts[i] = -Sums::kZero * S::sum16(q + i * 16);
      }
    }
  }
  if constexpr (F::kHasMin) {
    std::byte* sums = chunk + C::kCodeSums;
    if constexpr (P::kSuper) {
      const int16_t* of_codes = F::kSub == 16 ? x.sums16 : x.sums32;
      __builtin_memcpy(sums, of_codes + at / F::kSub, P::kSubs * 2);
    } else {
      auto* floats = reinterpret_cast<float*>(sums);
      for (int b = 0; b < blocks; ++b) floats[b] = static_cast<float>(x.sums32[at / 32 + static_cast<size_t>(b)]);
    }
  }
}

template <int kP, int kT, class Fn>
KEDGE_INLINE void each_of_tile(Fn&& f) {
#pragma GCC unroll 16
  for (int t = 0; t < kT; ++t) {
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) f(p, t);
  }
}

KEDGE_INLINE S::Floats all_lanes(const void* number) {
  float x;
  __builtin_memcpy(&x, number, 4);
  return S::set_float(x);
}
template <class F, int kP, int kT>
KEDGE_INLINE S::Floats row_floats(const PanelTile<F, kP, kT>& in, int p, int offset, int row) {
  return S::load_floats(reinterpret_cast<const float*>(in.rows(p) + offset + row * PanelLayout<F>::kRow));
}

// The integer dots of a super-block, scaled by sub-scales; then, so that they find registers, those of the minimums;
// then the floats.
template <class F, int kP, int kT, class Load, class Store>
KEDGE_INLINE void panel_super256(const PanelTile<F, kP, kT>& in, StreamAhead& ahead, Load&& load, Store&& store) {
  using P = PackedBlock<F>;
  using L = PanelLayout<F>;
  using C = TokenChunk<F>;
  using Sums = PanelSums<F>;
  using Dot = PanelDot<F>;
  S::Ints total[kP][kT];
  each_of_tile<kP, kT>([&](int p, int t) __attribute__((always_inline)) { total[p][t] = S::set_int(0); });
#pragma GCC unroll 1
  for (int group = 0; group < 8; ++group) {
    ahead.fetch();
    static_for<8 / Sums::kQuads>([&](auto index) __attribute__((always_inline)) {
      constexpr int j = decltype(index)::value;
      const int sub = group * (8 / Sums::kQuads) + j;
      panel_dots<F, j * Sums::kQuads>(
          in, group, [&](int p, int t, const typename Dot::Sum& sum, int run) __attribute__((always_inline)) {
            const typename Dot::SubScale scale = S::load_codes(in.rows(p) + L::kSubScales + sub * L::kRow);
            if constexpr (Sums::kAdds) {
              const S::Ints zero = four_codes(in.number(t, C::kStarts, sub));
              const S::Ints s = run == 0 ? S::add(Dot::finish(sum), zero) : Dot::finish(sum);
              total[p][t] = Dot::add_scaled(total[p][t], s, scale);
            } else {
              total[p][t] = Dot::finish_scaled(total[p][t], sum, scale);
            }
          });
    });
  }
  S::Ints least[kP][kT];
  if constexpr (F::kHasMin) {
#pragma GCC unroll 16
    for (int i = 0; i < P::kSubs / 2; ++i) {
      S::Codes minimum[kP];
#pragma GCC unroll 16
      for (int p = 0; p < kP; ++p) minimum[p] = S::load_codes(in.rows(p) + L::kSubMins + i * L::kRow);
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) {
        const S::Ints codes = four_codes(in.number(t, C::kCodeSums, i));
#pragma GCC unroll 16
        for (int p = 0; p < kP; ++p) {
          least[p][t] = S::pair_dot(i == 0 ? S::set_int(0) : least[p][t], minimum[p], codes);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < kT; ++t) {
    const S::Floats dx = all_lanes(in.number(t, C::kScales, 0));
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) {
      S::Floats sum = load(p, t);
      sum = S::fma(S::to_float(total[p][t]), S::mul(row_floats(in, p, L::kScales, 0), dx), sum);
      if constexpr (F::kHasMin) {
        sum = S::fnma(S::to_float(least[p][t]), S::mul(row_floats(in, p, L::kMins, 0), dx), sum);
      }
      store(p, t, sum);
    }
  }
}

// The same for `blocks` blocks of 32.
template <class F, int kP, int kT, class Load, class Store>
KEDGE_INLINE void panel_block32(const PanelTile<F, kP, kT>& in, int blocks, StreamAhead& ahead, Load&& load,
                                Store&& store) {
  using P = PackedBlock<F>;
  using L = PanelLayout<F>;
  using C = TokenChunk<F>;
  using Sums = PanelSums<F>;
  using Dot = PanelDot<F>;
  S::Floats acc[kP][kT];
  each_of_tile<kP, kT>([&](int p, int t) __attribute__((always_inline)) { acc[p][t] = load(p, t); });
#pragma GCC unroll 1
  for (int b = 0; b < blocks; ++b) {
    ahead.fetch();
    static_for<P::kScaleCount>([&](auto index) __attribute__((always_inline)) {
      constexpr int j = decltype(index)::value;
      const int row = b * P::kScaleCount + j;
      S::Ints dot[kP][kT];
      panel_dots<F, j * Sums::kQuads>(
          in, b, [&](int p, int t, const typename Dot::Sum& sum, int run) __attribute__((always_inline)) {
            const S::Ints s = Dot::finish(sum);
            if (run != 0) {
              dot[p][t] = S::add(dot[p][t], s);
            } else if constexpr (Sums::kAdds) {
              dot[p][t] = S::add(s, four_codes(in.number(t, C::kStarts, row)));
            } else {
              dot[p][t] = s;
            }
          });
      each_of_tile<kP, kT>([&](int p, int t) __attribute__((always_inline)) {
        const S::Floats dx = all_lanes(in.number(t, C::kScales, b));
        acc[p][t] = S::fma(S::to_float(dot[p][t]), S::mul(row_floats(in, p, L::kScales, row), dx), acc[p][t]);
        if constexpr (F::kHasMin) {
          const S::Floats least = S::mul(row_floats(in, p, L::kMins, b), dx);
          acc[p][t] = S::fma(all_lanes(in.number(t, C::kCodeSums, b)), least, acc[p][t]);
        }
      });
    });
  }
  each_of_tile<kP, kT>([&](int p, int t) __attribute__((always_inline)) { store(p, t, acc[p][t]); });
}

// Where a panel's work lies in the scratch of a thread.
template <class F>
struct PanelScratch {
  static constexpr int kGroups = kShapes.panel_parts > kPartsOfGroup ? kShapes.panel_parts / kPartsOfGroup : 1;
  static constexpr int kParts = kGroups * kPartsOfGroup;
  std::byte* panel;   // kGroups of PanelLayout
  float* sums;        // [tokens][kParts][S::kRows]
  std::byte* tokens;  // [chunks of k][tokens] of TokenChunk
  explicit KEDGE_INLINE PanelScratch(std::byte* scratch)
      : panel(scratch),
        sums(reinterpret_cast<float*>(panel + kGroups * PanelLayout<F>::kBytes)),
        tokens(reinterpret_cast<std::byte*>(sums + kPanelBlock * kParts * S::kRows)) {}
};

// Reads the lines ahead that kP registers of rows of n tokens are written to: stores go out in order, each would wait
// for its line.
template <int kP>
KEDGE_INLINE void fetch_outputs(const float* y, size_t ldy, int first, int n_rows, int n) {
  for (int t = 0; t < n; ++t, y += ldy) {
    for (int row = first; row < first + kP * S::kRows && row < n_rows; row += 16) __builtin_prefetch(y + row, 1, 3);
  }
}

// One panel's rows times the n described tokens from t0 on.
template <class F>
KEDGE_INLINE void panel_block(const WeightRows& w, int group, const ActRows& x, int t0, int n,
                              const PanelScratch<F>& scratch, float* y, size_t ldy) {
  using P = PackedBlock<F>;
  constexpr int kP = kShapes.panel_parts;
  constexpr int kGroups = PanelScratch<F>::kGroups;
  constexpr int kParts = PanelScratch<F>::kParts;
  constexpr int kChunkBytes = kPanelValues / P::kValues * P::kBytes;
  const int n_groups = (w.n_rows + kGroupRows - 1) / kGroupRows - group;
  // Reads ahead: eight times a tile and part.
  const int steps = (n + kShapes.panel_tokens - 1) / kShapes.panel_tokens * (kParts / kP) * 8;
  for (int k0 = 0; k0 < x.k; k0 += kPanelValues) {
    const int len = x.k - k0 < kPanelValues ? x.k - k0 : kPanelValues;
    const bool last = k0 + kPanelValues >= x.k;
    const std::byte* blocks =
        w.data + static_cast<size_t>(group) * w.stride + static_cast<size_t>(k0 / P::kValues) * P::kBytes;
    for (int g = 0; g < kGroups && g < n_groups; ++g) {
      unpack_chunk<F>(blocks + static_cast<size_t>(g) * w.stride, len, scratch.panel + g * PanelLayout<F>::kBytes);
    }
    // Two chunks ahead, at the end of the groups into the next ones.
    StreamAhead ahead{blocks + 2 * kChunkBytes, w.stride, kGroups < n_groups ? kGroups : n_groups, kChunkBytes / 64 + 1,
                      steps};
    if (k0 + 2 * kPanelValues >= x.k) ahead.next += static_cast<size_t>(kGroups - 1) * w.stride;
    const std::byte* tokens = scratch.tokens + static_cast<size_t>(k0 / kPanelValues * n) * TokenChunk<F>::kBytes;
    equal_tiles<least_tile(kShapes.stream_tokens + 1, kShapes.panel_tokens), kShapes.panel_tokens>(
        n, [&](auto tile_tokens, int first) __attribute__((always_inline)) {
          constexpr int kT = decltype(tile_tokens)::value;
          for (int part = 0; part < kParts; part += kP) {
            PanelTile<F, kP, kT> in;
            in.panel =
                scratch.panel + part / kPartsOfGroup * PanelLayout<F>::kBytes + part % kPartsOfGroup * S::kRows * 4;
            in.pitch = x.row_pitch();
            in.q = x.q + static_cast<size_t>(t0 + first) * in.pitch + k0;
            in.tokens = tokens + first * TokenChunk<F>::kBytes;
            float* sums = scratch.sums + (first * kParts + part) * S::kRows;
            const auto load = [&](int p, int t) __attribute__((always_inline)) {
              return k0 == 0 ? S::set_float(0.0f) : S::load_floats(sums + (t * kParts + p) * S::kRows);
            };
            const auto store = [&](int p, int t, S::Floats sum) __attribute__((always_inline)) {
              S::store_floats(sums + (t * kParts + p) * S::kRows, sum);
            };
            if (last) {
              fetch_outputs<kP>(y + static_cast<size_t>(t0 + first) * ldy, ldy, group * kGroupRows + part * S::kRows,
                                w.n_rows, kT);
            }
            if constexpr (P::kSuper) {
              panel_super256(in, ahead, load, store);
            } else {
              panel_block32(in, len / 32, ahead, load, store);
            }
          }
        });
  }
  for (int t = 0; t < n; ++t) {
    for (int p = 0; p < kParts; ++p) {
      store_rows(S::load_floats(scratch.sums + (t * kParts + p) * S::kRows), group * kGroupRows + p * S::kRows,
                 w.n_rows, y + static_cast<size_t>(t0 + t) * ldy);
    }
  }
}

template <class F>
static void matmul_panels(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* memory) {
  const PanelScratch<F> scratch(memory);
  const int n_groups = (w.n_rows + kGroupRows - 1) / kGroupRows;
  int left = (x.n + kPanelBlock - 1) / kPanelBlock;
  for (int t0 = 0; t0 < x.n; --left) {
    const int n = (x.n - t0 + left - 1) / left;
    std::byte* chunk = scratch.tokens;
    for (int k0 = 0; k0 < x.k; k0 += kPanelValues) {
      const int len = x.k - k0 < kPanelValues ? x.k - k0 : kPanelValues;
      for (int t = 0; t < n; ++t, chunk += TokenChunk<F>::kBytes) describe_token<F>(x, t0 + t, k0, len, chunk);
    }
    for (int g = 0; g < n_groups; g += PanelScratch<F>::kGroups) panel_block<F>(w, g, x, t0, n, scratch, y, ldy);
    t0 += n;
  }
}

template <class F>
static void matmul_quantised(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  if (x.n > kShapes.stream_tokens) {
    matmul_panels<F>(w, x, y, ldy, scratch);
  } else {
    matmul_stream<F>(w, x, y, ldy);
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
