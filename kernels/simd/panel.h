// Codes of a panel: per 32 codes [8 quads][16 rows][4]. Included by simd/table.cc only.
#pragma once

#include "kernels/simd/panel_layout.h"

namespace kedge::kernels::KEDGE_ISA {

// 32 packed codes of sixteen rows to the panel.
template <class F>
KEDGE_INLINE void unpack_to_panel(const std::byte* planes, const std::byte* table, std::byte* panel) {
  static_for<8>([&](auto index) __attribute__((always_inline)) {
    constexpr int q = decltype(index)::value;
    for (int half = 0; half < 64; half += S::kRows * 4) {
      S::store_codes(panel + q * 64 + half, quad_of_planes<F, q>(planes + half, table));
    }
  });
}

// Dots of quads [kFrom, kFrom + PanelSums::kQuads) of 32 codes, into each(p, t, sum, run) whenever sums must be taken.
template <class F, int kFrom, int kP, int kT, class Each>
KEDGE_INLINE void panel_dots(const PanelTile<F, kP, kT>& in, int group, Each&& each) {
  using Sums = PanelSums<F>;
  using Dot = PanelDot<F>;
  typename Dot::Sum sum[kP][kT];
  static_for<kFrom + Sums::kQuads, kFrom>([&](auto index) __attribute__((always_inline)) {
    constexpr int q = decltype(index)::value;
    constexpr int kInRun = (q - kFrom) % Sums::kRun;
    constexpr int kOfRun = (q - kFrom) / Sums::kRun;
    typename Dot::Weights w[kP];
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) {
      w[p] = Dot::weights(S::load_codes(in.rows(p) + group * PanelLayout<F>::kGroupBytes + q * 64));
    }
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const auto a = S::template activations<q % 4>(in.codes(t) + group * 32 + q * 4);
#pragma GCC unroll 16
      for (int p = 0; p < kP; ++p) {
        if constexpr (kInRun != 0) {
          sum[p][t] = Dot::next(sum[p][t], w[p], a);
        } else if constexpr (Sums::kStarts) {
          const void* start = in.number(t, TokenChunk<F>::kStarts, (group * 8 + q) / Sums::kRun);
          sum[p][t] = Dot::next(four_codes(start), w[p], a);
        } else {
          sum[p][t] = Dot::first(w[p], a);
        }
      }
    }
    if constexpr (kInRun == Sums::kRun - 1) {
#pragma GCC unroll 16
      for (int p = 0; p < kP; ++p) {
#pragma GCC unroll 16
        for (int t = 0; t < kT; ++t) each(p, t, sum[p][t], kOfRun);
      }
    }
  });
}

}  // namespace kedge::kernels::KEDGE_ISA
