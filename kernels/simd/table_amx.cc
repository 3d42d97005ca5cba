// The AMX-int8 table: that of AVX-512-VNNI with tiles for products of many tokens. See simd/table.cc for the rules.
// clang-format off
#include "kernels/simd/x86.h"
#include "kernels/base/float16.h"
#include "kernels/quant_contract.h"
#include "kernels/simd/packed_codes.h"
#include "kernels/simd/matmul_amx.h"
#include "kernels/simd/matmul_amx_fast.h"
#include "registry/quants_headers.inc"
#include "kernels/simd/matmul_amx_bf16.h"
// clang-format on

namespace kedge::kernels {

namespace avx512vnni {
const KernelTable& kernels();
}

namespace KEDGE_ISA {

namespace {

template <class F, int kFormat>
void matmul(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  if constexpr (F::kFamily != QuantFamily::kFloat) {
    using P = PackedAs<F>;
    if constexpr (kHasTiles<P>) {
      if (x.n >= tile_min_tokens<P>()) return matmul_tiles<P>(w, x, y, ldy, scratch);
    }
  }
  avx512vnni::kernels().matmul[kFormat](w, x, y, ldy, scratch);
}

enum Format : int {
#define KEDGE_ENTRY(name) k_##name,
#include "registry/quants.inc"
#undef KEDGE_ENTRY
};

constexpr MatmulFn kMatmul[] = {
#define KEDGE_ENTRY(name) &matmul<quants::name::Format, k_##name>,
#include "registry/quants.inc"
#undef KEDGE_ENTRY
};

template <class F>
constexpr MatmulFn fast() {
  if constexpr (F::kFamily == QuantFamily::kFloat) {
    return &matmul_bf16<F>;
  } else {
    return &matmul_fast<PackedAs<F>>;
  }
}

constexpr MatmulFn kFast[] = {
#define KEDGE_ENTRY(name) fast<quants::name::Format>(),
#include "registry/quants.inc"
#undef KEDGE_ENTRY
};

}  // namespace

void make_table(KernelTable* table) {
  *table = avx512vnni::kernels();
  table->name = "amx";
  int i = 0;
  for (const MatmulFn f : kMatmul) table->matmul[i++] = f;
  table->to_bf16 = to_bf16;
  i = 0;
  for (const MatmulFn f : kFast) table->fast[i++] = f;
}

}  // namespace KEDGE_ISA

}  // namespace kedge::kernels
