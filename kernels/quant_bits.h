// Bit fields of the packed formats: small helpers shared by kernels/quants/*.h. All little endian.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/base/inline.h"

namespace kedge::kernels::quants {

KEDGE_INLINE uint32_t read_u32(const void* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
KEDGE_INLINE uint64_t read_u64(const void* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
KEDGE_INLINE void write_u32(void* p, uint32_t v) { std::memcpy(p, &v, sizeof v); }
KEDGE_INLINE void write_u64(void* p, uint64_t v) { std::memcpy(p, &v, sizeof v); }

// Bits [From, From + Width) of every byte, moved to bit To. Shift first, then mask: the compiler merges the masks.
template <class S, int From, int To, int Width>
KEDGE_INLINE typename S::U8x32 move_bits(const typename S::U8x32& a) {
  const auto mask = S::set1(static_cast<uint8_t>(((1 << Width) - 1) << To));
  if constexpr (From > To) {
    return S::and_(S::template shr<From - To>(a), mask);
  } else if constexpr (From < To) {
    return S::and_(S::template shl<To - From>(a), mask);
  } else {
    return S::and_(a, mask);
  }
}

// Bit `from` of every byte, moved to bit To. A constant `from` leaves one case, so kernels unroll their group loop.
template <class S, int To>
KEDGE_INLINE typename S::U8x32 move_bit(const typename S::U8x32& a, int from) {
  switch (from) {
    case 0:
      return move_bits<S, 0, To, 1>(a);
    case 1:
      return move_bits<S, 1, To, 1>(a);
    case 2:
      return move_bits<S, 2, To, 1>(a);
    case 3:
      return move_bits<S, 3, To, 1>(a);
    case 4:
      return move_bits<S, 4, To, 1>(a);
    case 5:
      return move_bits<S, 5, To, 1>(a);
    case 6:
      return move_bits<S, 6, To, 1>(a);
    default:
      return move_bits<S, 7, To, 1>(a);
  }
}

// Bit pair `pair` (bits 2*pair and 2*pair + 1) of every byte, moved to bit To.
template <class S, int To>
KEDGE_INLINE typename S::U8x32 move_pair(const typename S::U8x32& a, int pair) {
  switch (pair) {
    case 0:
      return move_bits<S, 0, To, 2>(a);
    case 1:
      return move_bits<S, 2, To, 2>(a);
    case 2:
      return move_bits<S, 4, To, 2>(a);
    default:
      return move_bits<S, 6, To, 2>(a);
  }
}

// Eight bytes x in [0, 64), each replaced by the signed byte x - 32, without a carry from byte to byte.
KEDGE_INLINE uint64_t minus32(uint64_t x) {
  const uint64_t flipped = x ^ 0x2020202020202020u;
  const uint64_t sign = flipped & 0x2020202020202020u;
  return flipped | (sign << 1) | (sign << 2);
}

// The 12 bytes that hold eight 6-bit scales and eight 6-bit minima in Q4_K and Q5_K: bytes 0-3 scales 0-3, bytes 4-7
// minima 0-3, bytes 8-11 the low four bits of scales (low nibble) and minima (high nibble) 4-7, whose upper two bits
// are the upper two bits of bytes 0-3 and 4-7.
KEDGE_INLINE uint64_t six_bit_scales(const uint8_t* p) {
  const uint32_t s = read_u32(p);
  const uint32_t tail = read_u32(p + 8);
  const uint32_t high = (tail & 0x0f0f0f0fu) | ((s >> 2) & 0x30303030u);
  return (s & 0x3f3f3f3fu) | static_cast<uint64_t>(high) << 32;
}
KEDGE_INLINE uint64_t six_bit_mins(const uint8_t* p) {
  const uint32_t m = read_u32(p + 4);
  const uint32_t tail = read_u32(p + 8);
  const uint32_t high = ((tail >> 4) & 0x0f0f0f0fu) | ((m >> 2) & 0x30303030u);
  return (m & 0x3f3f3f3fu) | static_cast<uint64_t>(high) << 32;
}
inline void pack_six_bit(const uint8_t* scales, const uint8_t* mins, uint8_t* p) {
  for (int j = 0; j < 4; ++j) {
    p[j] = static_cast<uint8_t>(scales[j] | (scales[j + 4] >> 4) << 6);
    p[j + 4] = static_cast<uint8_t>(mins[j] | (mins[j + 4] >> 4) << 6);
    p[j + 8] = static_cast<uint8_t>((scales[j + 4] & 15) | (mins[j + 4] & 15) << 4);
  }
}

}  // namespace kedge::kernels::quants
