#include "kernels/reference/reference.h"

namespace kedge::kernels {

namespace {

KernelTable make_table() {
  KernelTable t;
  t.name = "reference";
  t.rms_norm = reference::rms_norm;
  t.layer_norm = reference::layer_norm;
  t.l2_norm = reference::l2_norm;
  t.add = reference::add;
  t.add_scaled = reference::add_scaled;
  t.mul = reference::mul;
  t.scale = reference::scale;
  t.softcap = reference::softcap;
  t.activate = reference::activate;
  t.activate_mul = reference::activate_mul;
  t.swiglu_clipped = reference::swiglu_clipped;
  t.silu_mul = reference::silu_mul;
  t.softmax = reference::softmax;
  t.rope_half = reference::rope_half;
  t.rope_interleaved = reference::rope_interleaved;
  t.quantise_block32 = reference::quantise_block32;
  t.quantise_super256 = reference::quantise_super256;
  t.conv1d = reference::conv1d;
  t.delta_net = reference::delta_net;
  t.mamba2_scan = reference::mamba2_scan;
  t.mamba1_scan = reference::mamba1_scan;
  t.rwkv7_mix = reference::rwkv7_mix;
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
