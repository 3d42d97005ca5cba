// The bytes of a KV page: 32 tokens of one (layer, kv-head). Keys are stored transposed, so that the scores of 32
// tokens come out of vector lanes without a horizontal sum; values stay row-major.
//
//   F32, F16   K [head_dim_k][32], V [32][head_dim_v]
//   Q8_0       K codes + 128 as bytes [head_dim_k/4][32][4], scales f16 [head_dim_k/32][32];
//              V codes int8 [32][head_dim_v], scales f16 [32][head_dim_v/32]
//   Q4_0       codes + 8, two to a byte, each token's in bytes of its own; the scales as in Q8_0.
//              K [head_dim_k/8][32][4]: byte (j, t, i) holds dimension 8j + i (low) and 8j + 4 + i (high) of token t,
//              so that either half of the bytes is one quad of Q8_0's K;
//              V [32][head_dim_v/32][16]: byte i of a block holds values i (low) and i + 16 (high), as in ggml's Q4_0
//
// Quantised values are scale * code, with a scale per 32 values of a token. Q8_0: scale = amax / 127, codes in
// [-127, 127]. Q4_0: scale = extreme / -8, where the extreme is the value of largest magnitude (of two the negative
// one), codes in [-8, 7]. Codes are rounded half to even, with the scale as it is before it becomes half precision.
//
// A layout may have no V at all (v_in_k): a token's value is the first head_dim_v dimensions of its key, as they are
// read back. So a latent that is both is held once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kv_format.h"

namespace kedge::kernels {

inline constexpr int kPageTokens = 32;

struct KvLayout {
  KvFormat format = KvFormat::kF16;
  int head_dim_k = 0;  // multiples of the format's block
  int head_dim_v = 0;
  bool v_in_k = false;

  KEDGE_INLINE constexpr bool fits() const {
    return head_dim_k % info(format).block == 0 && head_dim_v % info(format).block == 0 &&
           (!v_in_k || head_dim_v <= head_dim_k);
  }

  // The values or codes of a page's keys (or values), without scales; with them.
  KEDGE_INLINE static constexpr size_t code_bytes(KvFormat format, int head_dim) {
    return static_cast<size_t>(head_dim) * kPageTokens * static_cast<size_t>(info(format).bits) / 8;
  }
  KEDGE_INLINE static constexpr size_t matrix_bytes(KvFormat format, int head_dim) {
    const size_t scales = static_cast<size_t>(head_dim) * kPageTokens / 32;
    return code_bytes(format, head_dim) + (is_quantised(format) ? scales * 2 : 0);
  }
  KEDGE_INLINE constexpr size_t v_offset() const { return matrix_bytes(format, head_dim_k); }
  KEDGE_INLINE constexpr size_t page_bytes() const { return v_offset() + v_bytes(); }
  KEDGE_INLINE constexpr size_t v_bytes() const { return v_in_k ? 0 : matrix_bytes(format, head_dim_v); }
  // Quantised: where the scales start, behind the codes.
  KEDGE_INLINE constexpr size_t k_scales() const { return code_bytes(format, head_dim_k); }
  KEDGE_INLINE constexpr size_t v_scales() const { return v_offset() + code_bytes(format, head_dim_v); }
};

// Moving and reading tokens that are stored already. No arithmetic that could differ: the same on every instruction
// set, so these are plain functions and not part of the kernel table.

// Slots from_slots[0 .. n) of a page, bit for bit, to slots [to_first, to_first + n) of another page of the same
// layout. Other slots are left alone. The pages do not overlap.
void kv_copy_slots(const KvLayout& layout, const std::byte* from, const uint8_t* from_slots, std::byte* to,
                   int to_first, int n) noexcept;

// What a slot holds, as float32: head_dim_k and head_dim_v values. k or v may be null.
void kv_load(const KvLayout& layout, const std::byte* page, int slot, float* k, float* v) noexcept;

}  // namespace kedge::kernels
