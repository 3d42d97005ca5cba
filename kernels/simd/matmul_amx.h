// Matmul of packed weights for many tokens with AMX-int8, exact: the integers and the fma chains are the reference's.
// Included by simd/table_amx.cc only.
#pragma once

#include "kernels/simd/matmul_amx_block32.h"
#include "kernels/simd/matmul_amx_super.h"

namespace kedge::kernels::KEDGE_ISA {

// Sixteen values of a scale would leave a quarter of a tile's depth.
template <class F>
inline constexpr bool kHasTiles = PackedBlock<F>::kSuper || PackedBlock<F>::kScaleCount == 1;

// From this many tokens on tiles are faster than the vector kernels (simd/matmul_shape.h). A float scale per 32 values
// leaves less to gain: half of a tile's depth is used, and every product is scaled on its own.
template <class F>
constexpr int tile_min_tokens() {
  if constexpr (!PackedBlock<F>::kSuper) return 40;
  return PackedBlock<F>::kBits == 5 ? 16 : 12;
}

template <class F>
struct ExactPass {
  using Tiles = EqualTiles;
  KEDGE_INLINE static Tiles start(const ActRows& x, const AmxScratch&) {
    const Tiles tiles = Tiles::make(x.q, x.n, x.row_pitch());
    configure_tiles(PackedBlock<F>::kSuper ? 64 : 32, tiles.size);
    return tiles;
  }
  template <int kGroups>
  KEDGE_INLINE static void run(const std::byte* const* group, size_t stride, const ActRows& x, const Tiles& tiles,
                               const AmxScratch& m) {
    if constexpr (PackedBlock<F>::kSuper) {
      super_pass<F, kGroups>(group, stride, x, tiles, m);
    } else {
      block32_pass<F, kGroups>(group, stride, x, tiles, m);
    }
  }
};

template <class F>
static void matmul_tiles(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  matmul_passes<ExactPass<F>>(w, x, PackedBlock<F>::kValues, y, ldy, scratch);
  _tile_release();
}

}  // namespace kedge::kernels::KEDGE_ISA
