// Values that are the first dimensions of the keys (KvLayout::v_in_k): keys lie transposed, values are added token by
// token, so a page is turned once per call, for all rows. Included by simd/table.cc only.
#pragma once

#include <cstring>

#include "kernels/simd/attention_work.h"

namespace kedge::kernels::KEDGE_ISA {

// The first d dimensions of 32 keys to float32 rows per token, padded with zeros to `padded`.
template <class L>
static void turn_keys(const L& keys, int d, int padded, float* to) {
  alignas(64) float strip[8][kPageTokens];
  for (int first = 0; first < padded; first += 8) {
    for (int i = 0; i < 8; ++i) {
      for (int t = 0; t < kPageTokens; t += 16) {
        const auto at = static_cast<size_t>((first + i) * kPageTokens + t);
        (first + i < d ? keys.load(at) : V::zero()).store(strip[i] + t);
      }
    }
    for (int t = 0; t < kPageTokens; t += 8) {
      turn8(strip[0] + t, kPageTokens, to + t * padded + first, static_cast<size_t>(padded));
    }
  }
}

// Quantised: to the codes and scales of values in Q8_0. The keys' scales are in w already.
static void turn_codes(const KvLayout& l, const std::byte* page, AttendWork& w) {
  const int d = l.head_dim_v;
  const bool eight = l.format == KvFormat::kQ8_0;
  const int step = eight ? 4 : 8;  // dimensions in four bytes of a token
  for (int i = 0; i < d; i += step) {
    const std::byte* from = page + static_cast<size_t>(i / step * kPageTokens) * 4;
    int8_t* to = w.codes + i;
    for (int t = 0; t < kPageTokens; ++t, from += 4, to += d) {
      uint32_t four;
      std::memcpy(&four, from, 4);
      if (eight) {
        four ^= 0x80808080u;  // takes 128 off each
        std::memcpy(to, &four, 4);
      } else {
        const uint32_t halves[2] = {four & 0x0f0f0f0fu, four >> 4 & 0x0f0f0f0fu};
        for (int h = 0; h < 2; ++h) {  // takes 8 off each; the sign bit keeps bytes from borrowing of each other
          const uint32_t codes = ((halves[h] | 0x80808080u) - 0x08080808u) ^ 0x80808080u;
          std::memcpy(to + 4 * h, &codes, 4);
        }
      }
    }
  }
  const int blocks = d / 32;
  for (int t = 0; t < kPageTokens; ++t) {
    for (int b = 0; b < blocks; ++b) w.value_scales[t * blocks + b] = w.key_scales[b * kPageTokens + t];
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
