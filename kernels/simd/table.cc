// Compiled once per instruction set with -DKEDGE_ISA=<name> and that set's flags; exports one kernel table. Nothing
// else leaves this file: everything is static, force-inlined or in the instruction set's namespace.
// lanes.h defines S, which the others are written on: the order matters.
// clang-format off
#include "kernels/simd/lanes.h"
#if defined(__aarch64__)
#include "kernels/simd/attention_neon.h"
#else
#include "kernels/simd/attention_x86.h"
#endif
#include "kernels/base/float16.h"
#include "kernels/quant_contract.h"
#include "kernels/simd/float_kernels.h"
#include "kernels/simd/matmul_float.h"
#include "kernels/simd/pack.h"
#include "kernels/simd/matmul_packed.h"
#if defined(__ARM_FEATURE_MATMUL_INT8)
#include "kernels/simd/panel_neoni8mm.h"
#else
#include "kernels/simd/panel.h"
#endif
#include "kernels/simd/matmul_panel.h"
#if defined(__AVX512VNNI__)
#include "kernels/simd/matmul_fast.h"
#endif
#include "kernels/simd/attention.h"
#include "kernels/simd/rows.h"
#include "registry/quants_headers.inc"
// clang-format on

#define KEDGE_STRING_(x) #x
#define KEDGE_STRING(x) KEDGE_STRING_(x)

namespace kedge::kernels::KEDGE_ISA {

namespace {

template <class F>
constexpr MatmulFn matmul() {
  if constexpr (F::kFamily == QuantFamily::kFloat) {
    return &matmul_float<F>;
  } else {
    return &matmul_quantised<PackedAs<F>>;
  }
}

// Kernels of `--numerics fast`, where they are faster.
template <class F>
constexpr MatmulFn fast() {
#if defined(__AVX512VNNI__)
  if constexpr (F::kFamily != QuantFamily::kFloat) return &matmul_fast<PackedAs<F>>;
#endif
  return nullptr;
}

template <class F>
constexpr PackFn pack() {
  if constexpr (F::kFamily == QuantFamily::kFloat) {
    return nullptr;
  } else {
    return &pack_rows<F>;
  }
}

constexpr KernelTable make_table() {
  KernelTable t;
  t.name = KEDGE_STRING(KEDGE_ISA);
  t.rms_norm = rms_norm;
  t.layer_norm = layer_norm;
  t.l2_norm = l2_norm;
  t.add = add;
  t.add_scaled = add_scaled;
  t.mul = mul;
  t.scale = scale;
  t.softcap = softcap;
  t.activate = activate;
  t.activate_mul = activate_mul;
  t.swiglu_clipped = swiglu_clipped;
  t.silu_mul = silu_mul;
  t.softmax = softmax;
  t.rope_half = rope_half;
  t.rope_interleaved = rope_interleaved;
  t.quantise_block32 = quantise_block32;
  t.quantise_super256 = quantise_super256;
  t.conv1d = conv1d;
  t.delta_net = delta_net;
  t.mamba2_scan = mamba2_scan;
  t.mamba1_scan = mamba1_scan;
  t.rwkv7_mix = rwkv7_mix;
  int i = 0;
#define KEDGE_ENTRY(name)                       \
  t.matmul[i] = matmul<quants::name::Format>(); \
  t.fast[i] = fast<quants::name::Format>();     \
  t.pack[i++] = pack<quants::name::Format>();
#include "registry/quants.inc"
#undef KEDGE_ENTRY
  t.kv_store = kv_store;
  t.attend = attend;
  t.attend_chunk = attend_chunk;
  t.attend_merge = attend_merge;
  return t;
}

constexpr KernelTable kTable = make_table();

}  // namespace

const KernelTable& kernels() { return kTable; }

}  // namespace kedge::kernels::KEDGE_ISA
