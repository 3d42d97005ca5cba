// The types of cached keys and values: one table of all there is to know about one of them.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "kernels/base/inline.h"
#include "kernels/base/rooms.h"

namespace kedge::kernels {

// The numbers are those of kedge_kv_type and of session files.
enum class KvFormat { kF32, kF16, kQ8_0, kQ4_0 };

inline constexpr std::array kKvFormats = {KvFormat::kF32, KvFormat::kF16, KvFormat::kQ8_0, KvFormat::kQ4_0};

struct KvFormatInfo {
  std::string_view name;  // as options spell it
  int bits = 0;           // of a value, without scales
  int block = 1;          // values of a token that share a half-precision scale; 1: none have one
  float most_held = 0;    // the largest number that comes back as less than infinity
};

KEDGE_INLINE constexpr KvFormatInfo info(KvFormat format) {
  constexpr float kHalfMax = 65504.0f;
  constexpr KvFormatInfo kTable[] = {{"f32", 32, 1, std::numeric_limits<float>::max()},
                                     {"f16", 16, 1, kHalfMax},
                                     {"q8_0", 8, 32, 127 * kHalfMax},
                                     {"q4_0", 4, 32, 7 * kHalfMax}};
  static_assert(std::size(kTable) == kKvFormats.size());
  return kTable[static_cast<size_t>(format)];
}

// Whether values are codes with a scale per block.
KEDGE_INLINE constexpr bool is_quantised(KvFormat format) { return info(format).block > 1; }

// A type by its name, or by its number; none when there is no such.
std::optional<KvFormat> kv_format_named(std::string_view name);
std::optional<KvFormat> kv_format_at(int64_t number);

// "f32, f16, q8_0, q4_0"
std::string kv_format_names();

}  // namespace kedge::kernels
