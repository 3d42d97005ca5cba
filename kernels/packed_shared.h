// What formats are multiplied as that share their kernels: the same integers in the same places of the packed layout,
// apart from a table of codes, which each packed block brings along. Kernels are large, and compiling one more for each
// of a dozen formats would buy nothing.
#pragma once

#include "kernels/quants.h"

namespace kedge::kernels::packed_shared {

// Signed sizes of a lattice of eight sizes: IQ3_S, IQ3_XXS.
struct Steps16 {
  static constexpr QuantFamily kFamily = QuantFamily::kSuper256;
  static constexpr bool kTableInBlock = true;
  static constexpr int kBits = 4;
  static constexpr int kZero = 31;
  static constexpr int kMaxCode = 62;
  static constexpr bool kHasMin = false;
  static constexpr int kSub = 32;
  static constexpr int kMaxSub = 31;
  static constexpr float kScaleFactor = 0.5f;
};

// Signed sizes of a lattice of three sizes: IQ2 and, three sizes with the shift by an eighth included, IQ1.
struct Steps8 {
  static constexpr QuantFamily kFamily = QuantFamily::kSuper256;
  static constexpr bool kTableInBlock = true;
  static constexpr int kBits = 3;
  static constexpr int kZero = 43;
  static constexpr int kMaxCode = 86;
  static constexpr bool kHasMin = false;
  static constexpr int kSub = 16;
  static constexpr int kMaxSub = 31;
  static constexpr float kScaleFactor = 0.125f;
};

// Two bits and a scale: Q2_0, TQ1_0, TQ2_0.
struct TwoBits {
  static constexpr QuantFamily kFamily = QuantFamily::kBlock32;
  static constexpr int kZero = 1;
  static constexpr int kMaxCode = 3;
  static constexpr bool kHasMin = false;
};

}  // namespace kedge::kernels::packed_shared
