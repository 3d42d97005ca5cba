// The bytes of a KV page: 32 tokens of one (layer, kv-head). Keys are stored transposed, so that the scores of 32
// tokens come out of vector lanes without a horizontal sum; values stay row-major.
//
//   F32, F16   K [head_dim_k][32], V [32][head_dim_v]
//   Q8_0       K codes + 128 as bytes [head_dim_k/4][32][4], scales f16 [head_dim_k/32][32];
//              V codes int8 [32][head_dim_v], scales f16 [32][head_dim_v/32]
#pragma once

#include <cstddef>
#include <cstdint>

namespace kedge {

inline constexpr int kPageTokens = 32;

enum class KvFormat { kF32, kF16, kQ8_0 };

struct KvLayout {
  KvFormat format = KvFormat::kF16;
  int head_dim_k = 0;  // Q8_0: multiples of 32
  int head_dim_v = 0;

  static constexpr size_t matrix_bytes(KvFormat format, int head_dim) {
    const size_t n = static_cast<size_t>(head_dim) * kPageTokens;
    return format == KvFormat::kF32 ? n * 4 : format == KvFormat::kF16 ? n * 2 : n + n / 32 * 2;
  }
  constexpr size_t v_offset() const { return matrix_bytes(format, head_dim_k); }
  constexpr size_t page_bytes() const { return v_offset() + matrix_bytes(format, head_dim_v); }
  // Q8_0: where the scales start, behind the codes.
  constexpr size_t k_scales() const { return static_cast<size_t>(head_dim_k) * kPageTokens; }
  constexpr size_t v_scales() const { return v_offset() + static_cast<size_t>(head_dim_v) * kPageTokens; }
};

// Moving and reading tokens that are stored already. No arithmetic that could differ: the same on every instruction
// set, so these are plain functions and not part of the kernel table.

// Slots from_slots[0 .. n) of a page, bit for bit, to slots [to_first, to_first + n) of another page of the same
// layout. Other slots are left alone. The pages do not overlap.
void kv_copy_slots(const KvLayout& layout, const std::byte* from, const uint8_t* from_slots, std::byte* to,
                   int to_first, int n) noexcept;

// What a slot holds, as float32: head_dim_k and head_dim_v values. k or v may be null.
void kv_load(const KvLayout& layout, const std::byte* page, int slot, float* k, float* v) noexcept;

}  // namespace kedge
