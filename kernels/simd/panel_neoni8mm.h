// Codes of a panel for the matrix products of ARMv8.6: one instruction multiplies two rows by two tokens, eight codes
// deep. Per 32 codes [4 eights][16 rows][8]. Included by simd/table.cc only, in the place of panel.h.
#pragma once

#include "kernels/simd/panel_layout.h"

namespace kedge::kernels::KEDGE_ISA {

template <class F>
KEDGE_INLINE void unpack_to_panel(const std::byte* planes, const std::byte* table, std::byte* panel) {
  static_for<4>([&](auto index) __attribute__((always_inline)) {
    constexpr int e = decltype(index)::value;
    for (int part = 0; part < 4; ++part) {
      const int32x4_t even = quad_of_planes<F, 2 * e>(planes + part * 16, table);
      const int32x4_t odd = quad_of_planes<F, 2 * e + 1>(planes + part * 16, table);
      S::store_codes(panel + e * 128 + part * 32, vzip1q_s32(even, odd));
      S::store_codes(panel + e * 128 + part * 32 + 16, vzip2q_s32(even, odd));
    }
  });
}

// Four rows and two tokens: rows 0 and 1 in `low`, 2 and 3 in `high`, the tokens of a row beside each other.
struct PairSum {
  int32x4_t low;
  int32x4_t high;
};

// As panel.h's. An odd last token is its own partner.
template <class F, int kFrom, int kP, int kT, class Each>
KEDGE_INLINE void panel_dots(const PanelTile<F, kP, kT>& in, int group, Each&& each) {
  constexpr int kPairs = (kT + 1) / 2;
  PairSum sum[kP][kPairs];
#pragma GCC unroll 16
  for (int e = kFrom / 2; e < (kFrom + PanelSums<F>::kQuads) / 2; ++e) {
    int8x16_t a[kPairs];
#pragma GCC unroll 16
    for (int t = 0; t < kPairs; ++t) {
      const int8_t* q0 = in.codes(2 * t) + group * 32 + e * 8;
      const int8_t* q1 = in.codes(2 * t + 1 < kT ? 2 * t + 1 : 2 * t) + group * 32 + e * 8;
      a[t] = vcombine_s8(vld1_s8(q0), vld1_s8(q1));
    }
#pragma GCC unroll 16
    for (int p = 0; p < kP; ++p) {
      const std::byte* codes = in.template rows<8>(p) + group * PanelLayout<F>::kGroupBytes + e * 128;
      const int8x16_t low = S::bytes(S::load_codes(codes));
      const int8x16_t high = S::bytes(S::load_codes(codes + 16));
#pragma GCC unroll 16
      for (int t = 0; t < kPairs; ++t) {
        if (e == kFrom / 2) sum[p][t] = {S::set_int(0), S::set_int(0)};
        sum[p][t] = {vmmlaq_s32(sum[p][t].low, low, a[t]), vmmlaq_s32(sum[p][t].high, high, a[t])};
      }
    }
  }
#pragma GCC unroll 16
  for (int p = 0; p < kP; ++p) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const PairSum& s = sum[p][t / 2];
      each(p, t, t % 2 == 0 ? vuzp1q_s32(s.low, s.high) : vuzp2q_s32(s.low, s.high), 0);
    }
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
