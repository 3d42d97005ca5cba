// The scalar reference: the definition of every number. Plain loops, explicit fma, one order of operations.
#pragma once

#include "kernels/kernel_table.h"

namespace kedge::kernels::reference {

float exp(float x);
float tanh(float x);
float softplus(float x);
float activate(Activation f, float x);
// Sums 16 lanes as ((l0+l8)+(l4+l12)) ...: halves are added, 16 -> 8 -> 4 -> 2 -> 1.
float tree16(const float* lanes);

void rms_norm(const float* x, const float* weight, float* y, int n, float eps) noexcept;
void layer_norm(const float* x, const float* weight, const float* bias, float* y, int n, float eps) noexcept;
void l2_norm(const float* x, float* y, int n, float eps) noexcept;
void add(const float* x, float* y, int n) noexcept;
void add_scaled(const float* x, float s, float* y, int n) noexcept;
void mul(const float* x, float* y, int n) noexcept;
void scale(float s, float* y, int n) noexcept;
void softcap(float cap, float* y, int n) noexcept;
void activate(Activation f, const float* x, float* y, int n) noexcept;
void activate_mul(Activation f, const float* gate, const float* up, float* y, int n) noexcept;
void swiglu_clipped(const float* gate, const float* up, float* y, int n, float alpha, float limit) noexcept;
void silu_mul(const float* gate, const float* up, float* y, int n) noexcept;
void softmax(float* x, int n) noexcept;
void rope_half(float* x, const float* cos_sin, int n_pairs) noexcept;
void rope_interleaved(float* x, const float* cos_sin, int n_pairs) noexcept;
void quantise_block32(const float* x, int k, int8_t* q, float* d, int16_t* sums32) noexcept;
void quantise_super256(const float* x, int k, int8_t* q, float* d, int16_t* sums16, int16_t* sums32) noexcept;
MatmulFn matmul(int format_index);
MatmulFn matmul_fast(int format_index);
void to_bf16(const float* x, uint16_t* y, int n) noexcept;
void kv_store(const KvLayout& layout, std::byte* page, int slot, const float* k, const float* v) noexcept;
void attend(const AttendRows& rows) noexcept;
void attend_chunk(const AttendRows& rows, int chunk, float* parts) noexcept;
void attend_merge(const AttendRows& rows, const float* parts, int first_chunk) noexcept;
void conv1d(const ConvRows& rows) noexcept;
void delta_net(const DeltaRows& rows) noexcept;
void mamba2_scan(const Mamba2Rows& rows) noexcept;
void mamba1_scan(const Mamba1Rows& rows) noexcept;
void rwkv7_mix(const Rwkv7Rows& rows) noexcept;

}  // namespace kedge::kernels::reference
