// The AVX512_BF16 table: that of AVX-512-VNNI, with products of bfloat16 for `--numerics fast`. See simd/table.cc for
// the rules.
// clang-format off
#include "kernels/simd/x86.h"
#include "kernels/base/float16.h"
#include "kernels/quant_contract.h"
#include "kernels/simd/packed_codes.h"
#include "registry/quants_headers.inc"
#include "kernels/simd/matmul_bf16.h"
// clang-format on

namespace kedge::kernels {

namespace avx512vnni {
const KernelTable& kernels();
}

namespace KEDGE_ISA {

namespace {

template <class F>
constexpr MatmulFn fast() {
  if constexpr (F::kFamily == QuantFamily::kFloat) {
    return &matmul_bf16<F>;
  } else {
    return nullptr;  // that of AVX-512-VNNI
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
  table->name = "avx512bf16";
  table->to_bf16 = to_bf16;
  int i = 0;
  for (const MatmulFn f : kFast) {
    if (f != nullptr) table->fast[i] = f;
    ++i;
  }
}

}  // namespace KEDGE_ISA

}  // namespace kedge::kernels
