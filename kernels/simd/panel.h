// The panel of unpacked codes that many tokens share: per 32 codes [8 quads][16 rows][4]. Included by simd/table.cc
// only.
#pragma once

#include "kernels/simd/packed_codes.h"

namespace kedge::kernels::KEDGE_ISA {

template <class F>
struct FromPanel {
  static constexpr bool kStream = false;
  static constexpr bool kOwnDots = false;
  static constexpr size_t kLaneBytes = 4;
  static constexpr size_t kGroupStride = 512;
  static constexpr size_t kBlockStride = kGroupStride * PackedBlock<F>::kGroups;
  template <int q>
  KEDGE_INLINE static S::Codes quad(const std::byte* codes, const std::byte*) {
    return S::load_codes(codes + q * 64);
  }
  // 32 packed codes of sixteen rows to the panel.
  KEDGE_INLINE static void unpack(const std::byte* planes, const std::byte* table, std::byte* panel) {
    static_for<8>([&](auto index) __attribute__((always_inline)) {
      constexpr int q = decltype(index)::value;
      for (int half = 0; half < 64; half += S::kRows * 4) {
        S::store_codes(panel + q * 64 + half, quad_of_planes<F, q>(planes + half, table));
      }
    });
  }
};

}  // namespace kedge::kernels::KEDGE_ISA
