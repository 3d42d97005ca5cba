// Rows in their file format to the packed layout (kernels/packed.h). Included by simd/table.cc only.
#pragma once

#include "kernels/packed.h"
#include "kernels/quant_contract.h"

namespace kedge::kernels::KEDGE_ISA {

KEDGE_INLINE void put32(std::byte* p, uint32_t v) { __builtin_memcpy(p, &v, 4); }
KEDGE_INLINE void put16(std::byte* p, uint16_t v) { __builtin_memcpy(p, &v, 2); }

// The planes of 32 codes of one row, given as eight quads.
template <class F>
KEDGE_INLINE void pack_codes(const uint32_t* quad, std::byte* to) {
  using P = PackedBlock<F>;
  if constexpr (P::kBits == 1) {
    uint32_t v = 0;
    for (int i = 0; i < 8; ++i) v |= ((quad[i] >> 1) & 0x01010101u) << i;
    return put32(to, v);
  } else if constexpr (P::kLowBits == 8) {
    for (int i = 0; i < 8; ++i) put32(to + i * 64, quad[i]);
  } else if constexpr (P::kLowBits == 4) {
    for (int i = 0; i < 4; ++i) put32(to + i * 64, (quad[i] & 0x0f0f0f0fu) | (quad[i + 4] & 0x0f0f0f0fu) << 4);
  } else {
    for (int i = 0; i < 2; ++i) {
      uint32_t v = 0;
      for (int j = 0; j < 4; ++j) v |= (quad[4 * i + j] & 0x03030303u) << (2 * j);
      put32(to + i * 64, v);
    }
  }
  std::byte* high = to + P::kLowPlanes * 64;
  if constexpr (P::kHighBits == 1) {
    uint32_t v = 0;
    for (int i = 0; i < 8; ++i) v |= ((quad[i] >> P::kLowBits) & 0x01010101u) << i;
    put32(high, v);
  } else if constexpr (P::kHighBits == 2) {
    for (int i = 0; i < 2; ++i) {
      uint32_t v = 0;
      for (int j = 0; j < 4; ++j) v |= ((quad[4 * i + j] >> P::kLowBits) & 0x03030303u) << (2 * j);
      put32(high + i * 64, v);
    }
  }
}

// The sub-scales and sub-minimums of a super-block of one row. A format may have fewer than it is multiplied with.
template <class F>
KEDGE_INLINE void pack_subs(const typename F::Block& w, int lane, std::byte* out) {
  using P = PackedBlock<PackedAs<F>>;
  constexpr int kOwn = 256 / F::kSub;
  int8_t sc[kOwn];
  F::scales(w, sc);
  [[maybe_unused]] uint8_t mn[kOwn] = {};
  if constexpr (F::kHasMin) F::mins(w, mn);
  for (int j = 0; j < P::kSubs; ++j) {
    const int swapped = (j % 4 == 1 ? j + 1 : j % 4 == 2 ? j - 1 : j) * kOwn / P::kSubs;
    const int at = j / 4 * 64 + lane * 4 + j % 4;
    const auto s = static_cast<uint8_t>(sc[swapped]);
    if constexpr (P::kNibbleSubs) {
      out[P::kSubScales + at] = static_cast<std::byte>(s | mn[swapped] << 4);
    } else {
      out[P::kSubScales + at] = static_cast<std::byte>(s);
      if constexpr (F::kHasMin) out[P::kSubMins + at] = static_cast<std::byte>(mn[swapped]);
    }
  }
}

// Block b of one row.
template <class F>
KEDGE_INLINE void pack_block(const typename F::Block* row, int b, int lane, std::byte* out) {
  using P = PackedBlock<PackedAs<F>>;
  for (int g = 0; g < P::kGroups; ++g) {
    alignas(32) uint32_t quad[8];
    if constexpr (P::kSuper) {
      S::store32(quad, F::template load<S>(row[b], g));
    } else {
      S::store32(quad, quants::load32<F, S>(row, b));
    }
    pack_codes<PackedAs<F>>(quad, out + g * P::kGroupBytes + lane * 4);
  }
  if constexpr (P::kSuper) {
    pack_subs<F>(row[b], lane, out);
    put16(out + P::kScales + lane * 2, F::scale_bits(row[b]));
  } else {
    for (int j = 0; j < P::kScaleCount; ++j) {
      put16(out + P::kScales + j * 2 * kGroupRows + lane * 2, quants::scale_bits32<F>(row, b, j));
    }
  }
  if constexpr (F::kHasMin) put16(out + P::kMins + lane * 2, F::min_bits(row[b]));
  if constexpr (P::kTableInBlock) __builtin_memcpy(out + P::kTableAt, F::kTable, 16);
}

// One group: `n_rows` (1 to 16) rows of k values.
template <class F>
static void pack_rows(const std::byte* rows, size_t row_bytes, int n_rows, int k, std::byte* out) noexcept {
  using P = PackedBlock<PackedAs<F>>;
  const int n_blocks = k / P::kValues;
  if (n_rows < kGroupRows) __builtin_memset(out, 0, static_cast<size_t>(n_blocks) * P::kBytes);
  for (int b = 0; b < n_blocks; ++b) {
    for (int r = 0; r < n_rows; ++r) {
      const auto* row = reinterpret_cast<const typename F::Block*>(rows + static_cast<size_t>(r) * row_bytes);
      pack_block<F>(row, b, r, out + static_cast<size_t>(b) * P::kBytes);
    }
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
