// Matmul of packed weights for many tokens with AMX-int8, exact: the integers and the fma chains are the reference's.
// Included by simd/table_amx.cc only.
#pragma once

#include "kernels/simd/matmul_amx_block32.h"
#include "kernels/simd/matmul_amx_super.h"

namespace kedge::kernels::KEDGE_ISA {

// Below this many tokens the vector kernels are faster.
inline constexpr int kTileMinTokens = 12;

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

template <class F>
static void matmul_tiles(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  configure_tiles(PackedBlock<F>::kSuper ? 64 : 32);
  matmul_passes<ExactPass<F>>(w, x, PackedBlock<F>::kValues, y, ldy, scratch);
  _tile_release();
}

}  // namespace kedge::kernels::KEDGE_ISA
