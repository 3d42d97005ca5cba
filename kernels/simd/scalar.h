// The byte operations that `load<S>` of the quant formats is written in, in plain C++. The tests use it to hold `load`
// against `unpack`; the vector versions have the same names.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/base/float16.h"

namespace kedge::kernels::simd {

struct Scalar {
  // 32 unsigned bytes.
  struct U8x32 {
    uint8_t v[32];
  };
  struct F32x16 {
    float v[16];
    static F32x16 load(const float* p) {
      F32x16 r;
      std::memcpy(r.v, p, sizeof r.v);
      return r;
    }
  };

  template <class F>
  static U8x32 map(const U8x32& a, F&& f) {
    U8x32 r;
    for (int i = 0; i < 32; ++i) r.v[i] = static_cast<uint8_t>(f(a.v[i], i));
    return r;
  }
  static U8x32 load32(const void* p) {
    U8x32 r;
    std::memcpy(r.v, p, 32);
    return r;
  }
  // 16 bytes to 32 codes: the low nibbles in order, then the high nibbles in order.
  static U8x32 nibbles(const void* p) {
    const auto* b = static_cast<const uint8_t*>(p);
    U8x32 r;
    for (int i = 0; i < 16; ++i) {
      r.v[i] = b[i] & 15;
      r.v[i + 16] = static_cast<uint8_t>(b[i] >> 4);
    }
    return r;
  }
  // Bytes [0, 16) of `low` and of `high`.
  static U8x32 join(const void* low, const void* high) {
    U8x32 r;
    std::memcpy(r.v, low, 16);
    std::memcpy(r.v + 16, high, 16);
    return r;
  }
  static U8x32 set1(uint8_t x) {
    return map({}, [&](uint8_t, int) { return x; });
  }
  static U8x32 and_(const U8x32& a, const U8x32& b) {
    return map(a, [&](uint8_t x, int i) { return x & b.v[i]; });
  }
  static U8x32 or_(const U8x32& a, const U8x32& b) {
    return map(a, [&](uint8_t x, int i) { return x | b.v[i]; });
  }
  static U8x32 low4(const U8x32& a) {
    return map(a, [](uint8_t x, int) { return x & 15; });
  }
  static U8x32 high4(const U8x32& a) {
    return map(a, [](uint8_t x, int) { return x >> 4; });
  }
  // Each byte shifted by N; bits leave the byte.
  template <int N>
  static U8x32 shl(const U8x32& a) {
    return map(a, [](uint8_t x, int) { return x << N; });
  }
  template <int N>
  static U8x32 shr(const U8x32& a) {
    return map(a, [](uint8_t x, int) { return x >> N; });
  }
  static U8x32 flip_sign(const U8x32& a) {
    return map(a, [](uint8_t x, int) { return x ^ 0x80; });
  }
  // Byte i becomes 0xff where bit i is set, else 0.
  static U8x32 expand_bits(uint32_t bits) {
    return map({}, [&](uint8_t, int i) { return (bits >> i & 1) != 0 ? 0xff : 0; });
  }
  static F32x16 f16_to_f32x16(const uint16_t* p) {
    F32x16 r;
    for (int i = 0; i < 16; ++i) r.v[i] = f16_to_f32(p[i]);
    return r;
  }
  static F32x16 bf16_to_f32x16(const uint16_t* p) {
    F32x16 r;
    for (int i = 0; i < 16; ++i) r.v[i] = bf16_to_f32(p[i]);
    return r;
  }
};

}  // namespace kedge::kernels::simd
