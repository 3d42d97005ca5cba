#include "kernels/reference/reference.h"

namespace kedge::kernels {

namespace {

KernelTable make_table() {
  KernelTable t;
  t.name = "reference";
  t.rms_norm = reference::rms_norm;
  t.add = reference::add;
  t.add_scaled = reference::add_scaled;
  t.silu_mul = reference::silu_mul;
  t.softmax = reference::softmax;
  t.rope_half = reference::rope_half;
  t.rope_interleaved = reference::rope_interleaved;
  t.quantise_block32 = reference::quantise_block32;
  t.quantise_super256 = reference::quantise_super256;
  t.to_bf16 = reference::to_bf16;
  for (const QuantFormat& f : quant_formats()) {
    t.matmul[f.index] = reference::matmul(f.index);
    t.fast[f.index] = reference::matmul_fast(f.index);
  }
  t.kv_store = reference::kv_store;
  t.attend = reference::attend;
  t.attend_chunk = reference::attend_chunk;
  t.attend_merge = reference::attend_merge;
  return t;
}

}  // namespace

const KernelTable& reference_kernels() {
  static const KernelTable table = make_table();
  return table;
}

}  // namespace kedge::kernels
