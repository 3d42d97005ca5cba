// The arithmetic of `--numerics fast` for quantised weights: every row's 256 values are rounded once more, to signed
// bytes with one scale, so that a whole super-block is one integer dot. Rows whose length is no multiple of 256 keep
// the exact arithmetic.
//
// Per row and 256 values, for each sub-block j (the format's, or its blocks of 32), all in float32:
//   s_j, m_j  the sub-block's scale and offset, as dequantising has them (m_j = 0 without a minimum)
//   bound     max over j of |fma(s_j, -zero, m_j)|, |fma(s_j, max_code - zero, m_j)|
//   d         bound / top, top = 127 (126 with minimums); below kFastSmallest: 0, and all bytes are 0
//   A_j       s_j * (top / bound) * 2^(15 - shift), rounded half to even, at most 32767
//   B_j       m_j * (top / bound), rounded half to even
//   byte      ((((code - zero) << shift) * A_j + 2^14) >> 15) + B_j
// Activations are those of K-quants (int8 per 256), and per 256 values acc = fma(float(isum), d * d_x, acc).
//
// Float weights: weights and activations as bfloat16, half to even, subnormals as 0. Per 32 values, ascending, two
// float32 chains, one over the even and one over the odd values, each from 0 and by fma; acc += even + odd. Results too
// small for a normal number are 0. (That is TDPBF16PS; Intel SDM volume 2. VDPBF16PS gives the same when values come in
// the order of the chains; so to_bf16 of a table writes rows in the order within each 32 that its own products want.)
#pragma once

#include "kernels/packed.h"
#include "kernels/quant_contract.h"

namespace kedge::kernels {

inline constexpr float kFastSmallest = 1e-30f;

template <class F>
struct FastNumerics {
  static constexpr int kSubs = 256 / PackedBlock<F>::sub_size();
  static constexpr float kTop = F::kHasMin ? 126.0f : 127.0f;
  static constexpr int largest_code() {
    if (F::kHasMin) return F::kMaxCode;
    return F::kZero > F::kMaxCode - F::kZero ? F::kZero : F::kMaxCode - F::kZero;
  }
  // The smallest shift for which A_j fits 16 bits: |A_j| <= span / largest code * 2^(15 - shift).
  static constexpr int shift() {
    const int span = F::kHasMin ? 252 : 127;
    int s = 0;
    while (largest_code() << s < span) ++s;
    return s;
  }
  static constexpr int kShift = shift();
  static_assert(F::kHasMin ? F::kZero == 0 : true);
  static_assert((largest_code() << kShift) < 32768);
};

}  // namespace kedge::kernels
