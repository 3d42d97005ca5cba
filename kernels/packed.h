// The packed layout of quantised weights, the same for every instruction set: groups of sixteen rows, interleaved so
// that a register of 32-bit lanes holds four consecutive codes of each row. A group is one linear stream of blocks of
// 32 (kBlock32) or 256 (kSuper256) values; a block holds, for all sixteen rows,
//
//   codes   per 32 values: planes of 64 bytes, lane r (4 bytes) belonging to row r. Quad q is codes 4q .. 4q + 3, byte
//           j of a lane its code j.
//             8 bits      8 planes, plane q = quad q
//             4 low bits  4 planes, plane i = quad i in the low, quad i + 4 in the high nibbles
//             2 low bits  2 planes, plane i = quads 4i .. 4i + 3, from the low bits up
//             1 high bit  1 plane, bit q of byte j = quad q; 2 high bits like 2 low bits
//             1 bit       1 plane like 1 high bit: codes 0 and 2
//   subs    kSuper256: int8 sub-scales, [subs / 4][16 rows][4], each four in the order 0, 2, 1, 3 (so that the even and
//           the odd bytes are pairs of neighbours); then the sub-minimums likewise. Where both are below 16 they share
//           bytes: scale in the low nibble, minimum in the high one.
//   scales  16-bit floats, one per row (half precision; bfloat16 where those hold the format's scales), then those of
//           the second 16 values of 32 where they have their own, then those of the minimums.
//   table   the sixteen codes that the stored indices stand for, where formats with different ones share a kernel
//           (packed_shared.h).
//
// Rows beyond the matrix (it is padded to whole groups) are zero bytes. Nothing is rounded: the integers and scales are
// those of the file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.h"
#include "kernels/packed_shared.h"
#include "kernels/quant_contract.h"

namespace kedge::kernels {

// The description under which the packed codes of a format are multiplied.
template <class F>
struct PackedDescription {
  using Type = F;
};
template <class F>
requires requires { typename F::PackedAs; }
struct PackedDescription<F> {
  using Type = typename F::PackedAs;
};
template <class F>
using PackedAs = typename PackedDescription<F>::Type;

template <class F>
struct PackedBlock {
  static constexpr bool kSuper = F::kFamily == QuantFamily::kSuper256;
  static constexpr int kValues = kSuper ? 256 : 32;
  static constexpr int kGroups = kValues / 32;
  // Formats with a table store the index into it.
  static constexpr bool kTableInBlock = requires { F::kTableInBlock; };
  static constexpr bool kTable = kTableInBlock || requires { F::kTable[0]; };
  static constexpr int own_bits() {
    if constexpr (requires { F::kBits; }) return F::kBits;
    return 0;
  }
  static constexpr int kBits = own_bits() != 0     ? own_bits()
                               : kTable            ? 4
                               : F::kMaxCode <= 3  ? 2
                               : F::kMaxCode <= 7  ? 3
                               : F::kMaxCode <= 15 ? 4
                               : F::kMaxCode <= 31 ? 5
                               : F::kMaxCode <= 63 ? 6
                                                   : 8;
  static constexpr int kLowBits = kBits == 8 ? 8 : kBits >= 4 ? 4 : kBits >= 2 ? 2 : 0;
  static constexpr int kHighBits = kBits - kLowBits;
  static constexpr int kLowPlanes = kLowBits;     // 8 quads * kLowBits / 8
  static constexpr int kGroupBytes = 64 * kBits;  // 32 codes of sixteen rows

  static constexpr int sub_size() {
    if constexpr (kSuper) return F::kSub;
    return quants::scale_values<F>();
  }
  static constexpr bool nibble_subs() {
    if constexpr (kSuper && F::kHasMin) return F::kMaxSub < 16;
    return false;
  }
  static constexpr bool kNibbleSubs = nibble_subs();
  static constexpr int kSubs = kSuper ? 256 / sub_size() : 0;
  static constexpr int kSubScales = kGroups * kGroupBytes;  // offsets in bytes
  static constexpr int kSubMins = kSubScales + (kNibbleSubs ? 0 : kSubs * kGroupRows);
  static constexpr int kScales = kSubScales + kSubs * kGroupRows * (F::kHasMin && !kNibbleSubs ? 2 : 1);
  static constexpr int kScaleCount = kSuper ? 1 : quants::kScalesOf32<F>;  // per row
  static constexpr int kMins = kScales + 2 * kGroupRows * kScaleCount;
  static constexpr int kTableAt = kMins + (F::kHasMin ? 2 * kGroupRows : 0);
  static constexpr int kBytes = kTableAt + (kTableInBlock ? 16 : 0);
};

}  // namespace kedge::kernels
