// The panel that many tokens share: 256 values of sixteen rows as the dots want them, then what scales the dots, a
// number (4 bytes) for every row. How codes lie in it and are summed is panel.h's, or panel_neoni8mm.h's. Included by
// simd/table.cc only.
#pragma once

#include "kernels/simd/matmul_shape.h"

namespace kedge::kernels::KEDGE_ISA {

#if defined(__ARM_FEATURE_MATMUL_INT8)
inline constexpr bool kPanelStarts = false;  // whether sums in a panel can begin with something
#else
inline constexpr bool kPanelStarts = true;
#endif

// Offsets in bytes. A row of numbers is that of sixteen rows of weights.
template <class F>
struct PanelLayout {
  using P = PackedBlock<F>;
  static constexpr int kRow = 4 * kGroupRows;
  static constexpr int kGroupBytes = 512;  // of 32 codes
  static constexpr int kScaleRows = P::kSuper ? 1 : kPanelValues / 32 * P::kScaleCount;
  static constexpr int kMinRows = !F::kHasMin ? 0 : P::kSuper ? 1 : kPanelValues / 32;
  static constexpr int kSubScales = kPanelValues / 32 * kGroupBytes;  // kSuper256: Dot::SubScale of each sub-block
  static constexpr int kSubMins = kSubScales + P::kSubs * kRow;       // as pairs of 16-bit integers
  static constexpr int kScales = kSubMins + (F::kHasMin ? P::kSubs / 2 * kRow : 0);  // floats
  static constexpr int kMins = kScales + kScaleRows * kRow;
  static constexpr int kBytes = kMins + kMinRows * kRow;
};

// The dots of the panel. On AVX2 and plain NEON codes less the zero leave room for longer sums in 16 bits.
template <class F>
using PanelDot = S::Dot<F::kMaxCode, F::kZero>;

// How a format's dots are taken from a panel.
template <class F>
struct PanelSums {
  using P = PackedBlock<F>;
  using Dot = PanelDot<F>;
  static constexpr int kQuads = P::kSuper ? P::sub_size() / 4 : 8 / P::kScaleCount;  // that one number scales
  static constexpr int kRun = Dot::kQuads < kQuads ? Dot::kQuads : kQuads;           // summed as the dots sum
  static constexpr int kZero = Dot::kCentred ? F::kZero - 128 : F::kZero;
  // What is to be subtracted for the zero is what sums begin with, or what is added to them where they cannot.
  static constexpr bool kStarts = kZero != 0 && Dot::kStarts && kPanelStarts;
  static constexpr bool kAdds = kZero != 0 && !kStarts;
  static constexpr int kStartQuads = kStarts ? kRun : kQuads;
};

// What there is to know about 256 values of a token besides their codes: offsets in bytes of 32-bit numbers.
template <class F>
struct TokenChunk {
  using P = PackedBlock<F>;
  using Sums = PanelSums<F>;
  static constexpr int kBlocks = kPanelValues / P::kValues;
  static constexpr int kStartCount = Sums::kZero == 0 ? 0 : kPanelValues / 4 / Sums::kStartQuads;
  static constexpr int kScales = 0;                            // floats
  static constexpr int kStarts = kScales + kBlocks * 4;        // see PanelSums
  static constexpr int kCodeSums = kStarts + kStartCount * 4;  // with minimums: pairs of 16 bits, or a float a block
  static constexpr int kCodeSumCount = !F::kHasMin ? 0 : P::kSuper ? P::kSubs / 2 : kBlocks;
  static constexpr int kBytes = kCodeSums + kCodeSumCount * 4;
};

// kP registers of rows of a panel and the codes of kT tokens.
template <class F, int kP, int kT>
struct PanelTile {
  const std::byte* panel;   // moved to the first register's rows
  const int8_t* q;          // of the first token
  size_t pitch;             // from token to token
  const std::byte* tokens;  // TokenChunk of the first token, the others behind it

  // Rows of numbers, or codes, of register p; lanes are kLaneBytes apart.
  template <int kLaneBytes = 4>
  KEDGE_INLINE const std::byte* rows(int p) const {
    constexpr int kParts = kGroupRows / S::kRows;
    return panel + p / kParts * PanelLayout<F>::kBytes + p % kParts * S::kRows * kLaneBytes;
  }
  KEDGE_INLINE const int8_t* codes(int t) const { return q + static_cast<size_t>(t) * pitch; }
  // Number i of those at `offset` of token t.
  KEDGE_INLINE const void* number(int t, int offset, int i) const {
    return tokens + t * TokenChunk<F>::kBytes + offset + i * 4;
  }
};

}  // namespace kedge::kernels::KEDGE_ISA
