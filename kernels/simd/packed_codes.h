// Codes out of the packed layout, a quad (four codes of every row of a register) at a time. Included by simd/table.cc
// only.
#pragma once

#include "kernels/packed.h"
#include "kernels/quant_contract.h"

namespace kedge::kernels::KEDGE_ISA {

template <int i>
struct Index {
  static constexpr int value = i;
};
// f(Index<0>{}), ..., f(Index<kN - 1>{}), unrolled.
template <int kN, int kFrom = 0, class Fn>
KEDGE_INLINE void static_for(Fn&& f) {
  if constexpr (kFrom < kN) {
    f(Index<kFrom>{});
    static_for<kN, kFrom + 1>(f);
  }
}

// Four activation codes, or another 32 bits, to all lanes.
KEDGE_INLINE S::Ints four_codes(const void* q) {
  int32_t word;
  __builtin_memcpy(&word, q, 4);
  return S::set_int(word);
}

template <class F>
using DotOf = S::Dot<F::kMaxCode>;

// The zero point still to be subtracted from dots of packed codes.
template <class F>
inline constexpr int kZeroLeft = DotOf<F>::kCentred ? F::kZero - 128 : F::kZero;

template <class F>
struct CentredTable {
  alignas(16) uint8_t v[16];
  constexpr CentredTable() : v() {
    for (int i = 0; i < 16; ++i) v[i] = static_cast<uint8_t>(F::kTable[i] ^ (DotOf<F>::kCentred ? 0x80 : 0));
  }
};

// Quad q of 32 packed codes whose planes start at `planes` (already moved to the register's rows), as unsigned codes,
// or centred ones where the instruction set's dots want them (Dot::kCentred). `table` is that of a packed block, for
// formats that have it there.
template <class F, int q>
KEDGE_INLINE S::Codes quad_of_planes(const std::byte* planes, const std::byte* table) {
  using P = PackedBlock<F>;
  S::Codes w;
  if constexpr (P::kBits == 1) {
    const S::Codes bits = S::load_codes(planes);
    if constexpr (q == 0) {
      w = S::code_and(S::template lane_shl<1>(bits), S::set_byte(2));
    } else {
      w = S::code_and(S::template lane_shr<q - 1>(bits), S::set_byte(2));
    }
    return w;
  } else if constexpr (P::kLowBits == 8) {
    w = S::load_codes(planes + q * 64);
    if constexpr (DotOf<F>::kCentred) w = S::code_xor(w, S::set_byte(0x80));
  } else if constexpr (P::kLowBits == 4) {
    w = S::code_and(S::template lane_shr<q / 4 * 4>(S::load_codes(planes + q % 4 * 64)), S::set_byte(15));
  } else {
    w = S::code_and(S::template lane_shr<q % 4 * 2>(S::load_codes(planes + q / 4 * 64)), S::set_byte(3));
  }
  constexpr int kLow = P::kLowBits;
  if constexpr (P::kHighBits == 1) {
    const S::Codes high = S::load_codes(planes + P::kLowPlanes * 64);
    S::Codes moved;
    if constexpr (q < kLow) {
      moved = S::template lane_shl<kLow - q>(high);
    } else {
      moved = S::template lane_shr<q - kLow>(high);
    }
    w = S::code_or(w, S::code_and(moved, S::set_byte(1 << kLow)));
  } else if constexpr (P::kHighBits == 2) {
    const S::Codes high = S::load_codes(planes + (P::kLowPlanes + q / 4) * 64);
    constexpr int kFrom = q % 4 * 2;
    S::Codes moved;
    if constexpr (kFrom < kLow) {
      moved = S::template lane_shl<kLow - kFrom>(high);
    } else {
      moved = S::template lane_shr<kFrom - kLow>(high);
    }
    w = S::code_or(w, S::code_and(moved, S::set_byte(3 << kLow)));
  }
  if constexpr (P::kTableInBlock) {
    static_assert(!DotOf<F>::kCentred);
    w = S::lookup(w, reinterpret_cast<const uint8_t*>(table));
  } else if constexpr (P::kTable) {
    static constexpr CentredTable<F> kTable;
    w = S::lookup(w, kTable.v);
  }
  return w;
}

// The sub-scales and sub-minimums of four neighbouring sub-blocks as pairs of 16-bit integers: [0] of the first two,
// [1] of the last two.
template <class F>
struct SubPairs {
  S::Codes scale[2];
  S::Codes minimum[2];
};
template <class F>
KEDGE_INLINE SubPairs<F> load_subs(const std::byte* block, int four) {
  using P = PackedBlock<F>;
  SubPairs<F> r;
  S::Codes sc = S::load_codes(block + P::kSubScales + four * 64);
  if constexpr (F::kHasMin) {
    S::Codes mn;
    if constexpr (P::kNibbleSubs) {
      mn = S::code_and(S::template lane_shr<4>(sc), S::set_byte(15));
      sc = S::code_and(sc, S::set_byte(15));
    } else {
      mn = S::load_codes(block + P::kSubMins + four * 64);
    }
    r.minimum[0] = S::even_pair(mn);
    r.minimum[1] = S::odd_pair(mn);
  }
  r.scale[0] = S::even_pair(sc);
  r.scale[1] = S::odd_pair(sc);
  return r;
}

template <class F>
KEDGE_INLINE S::Floats load_scales(const std::byte* p) {
  S::Floats d;
  if constexpr (quants::kBf16Scale<F>) {
    d = S::load_bf16(p);
  } else {
    d = S::load_f16(p);
  }
  if constexpr (quants::scale_factor<F>() != 1.0f) d = S::mul(d, S::set_float(quants::scale_factor<F>()));
  return d;
}

}  // namespace kedge::kernels::KEDGE_ISA
