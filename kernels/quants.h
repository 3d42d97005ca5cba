// The weight formats: what a GGUF tensor type is, how many bytes its blocks take, and how to turn them into floats.
// The list is generated from kernels/quants/*.h; adding a format is adding a file there (see kernels/README.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::kernels {

// What the matmul kernels need to know about a format's arithmetic.
enum class QuantFamily {
  kFloat,     // every value stands for itself (F32, F16, BF16); activations stay float32
  kBlock32,   // w = scale * (code - zero) [+ min] with one scale per 32 values; activations are int8 per 32
  kSuper256,  // w = scale * sub_scale * (code - zero) [- min_scale * sub_min] per 256; activations are int8 per 256
};

struct QuantFormat {
  const char* name;  // as in GGUF tools, e.g. "Q4_K"
  uint32_t gguf_id;  // tensor type number in the GGUF file
  int block_values;  // values per block: a row must be a multiple of it
  int block_bytes;
  QuantFamily family;
  int index;               // position in quant_formats(), the index of kernel tables
  int packed_block_bytes;  // a block of sixteen rows in the packed layout (kernels/packed.h); 0: never packed
  // `n` values (a multiple of block_values) to floats. No error is possible.
  void (*dequantise)(const void* blocks, float* out, size_t n);
  // Floats to blocks, n a multiple of block_values; `weights` (n values) or null: importance of each value.
  // Null when Kedge reads the format but does not write it.
  void (*quantise)(const float* x, const float* weights, void* blocks, size_t n);

  size_t packed_group_bytes(size_t k) const {
    return k / static_cast<size_t>(block_values) * static_cast<size_t>(packed_block_bytes);
  }
  size_t row_bytes(size_t n) const { return n / static_cast<size_t>(block_values) * static_cast<size_t>(block_bytes); }
};

inline constexpr int kMaxQuantFormats = 32;

std::span<const QuantFormat> quant_formats();
const QuantFormat* find_quant(uint32_t gguf_id);       // null when the type is not supported
const QuantFormat* find_quant(std::string_view name);  // case-insensitive; null when unknown

}  // namespace kedge::kernels
