// The members of the table that are not in simd/table.cc: compiled once per instruction set in files of their own
// (rows.cc, recurrent.cc), so that a table is not compiled anew when one of them changes.
#pragma once

#include "kernels/kernel_table.h"

namespace kedge::kernels::KEDGE_ISA {

void rms_norm(const float* x, const float* weight, float* y, int n, float eps) noexcept;
void layer_norm(const float* x, const float* weight, const float* bias, float* y, int n, float eps) noexcept;
void l2_norm(const float* x, float* y, int n, float eps) noexcept;
void mul(const float* x, float* y, int n) noexcept;
void scale(float s, float* y, int n) noexcept;
void softcap(float cap, float* y, int n) noexcept;
void activate(Activation f, const float* x, float* y, int n) noexcept;
void activate_mul(Activation f, const float* gate, const float* up, float* y, int n) noexcept;
void swiglu_clipped(const float* gate, const float* up, float* y, int n, float alpha, float limit) noexcept;

void conv1d(const ConvRows& rows) noexcept;
void delta_net(const DeltaRows& rows) noexcept;
void mamba2_scan(const Mamba2Rows& rows) noexcept;
void mamba1_scan(const Mamba1Rows& rows) noexcept;
void rwkv7_mix(const Rwkv7Rows& rows) noexcept;

}  // namespace kedge::kernels::KEDGE_ISA
