// The vocabulary of the GGUF container shared by reader and writer: value types, limits, names, and the small checked
// helpers both need. Source: the GGUF specification (docs/gguf.md) of the ggml project; everything is little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "kernels/base/result.h"

namespace kedge::weights {

// Type of a metadata value, numbered as in the file.
enum class GgufType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
inline constexpr uint32_t kGgufTypeCount = 13;

// Limits of what a file may declare. They are far above real models and keep a hostile file's cost near its size.
inline constexpr uint64_t kMaxGgufKeys = uint64_t{64} << 10;
inline constexpr uint64_t kMaxGgufTensors = uint64_t{64} << 10;
inline constexpr uint64_t kMaxGgufKeyBytes = 65535;      // the specification's
inline constexpr uint64_t kMaxGgufTensorNameBytes = 64;  // the specification's
inline constexpr uint64_t kMaxGgufStringBytes = uint64_t{64} << 20;
inline constexpr uint64_t kMaxGgufAlignment = uint64_t{1} << 20;
inline constexpr uint64_t kMinGgufAlignment = 8;  // the specification's; also what float data in memory needs
inline constexpr uint64_t kDefaultGgufAlignment = 32;
inline constexpr int kMaxGgufDims = 4;
inline constexpr int kMaxGgufArrayDepth = 4;
inline constexpr uint32_t kMaxGgufParts = 65535;

inline constexpr char kGgufMagic[4] = {'G', 'G', 'U', 'F'};

// "u32", "string", "array", ...; "type 77" when the number is none of the specification's.
std::string gguf_type_name(uint32_t type);
inline std::string gguf_type_name(GgufType type) { return gguf_type_name(static_cast<uint32_t>(type)); }
// Bytes of one value; 0 for strings and arrays, whose size is in the file.
size_t gguf_type_bytes(GgufType type);
// The name GGUF tools give to a tensor type, supported by Kedge or not; "type 77" when there is none.
std::string gguf_tensor_type_name(uint32_t id);

// `text` in single quotes for a message: control characters and bytes that are not UTF-8 as \xNN, at most ~96 bytes.
// File content reaches terminals through messages, so it never does unescaped.
std::string in_quotes(std::string_view text);

// Offset of the first byte that is not part of well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong), if any.
std::optional<size_t> find_invalid_utf8(std::string_view text);

// "must be ..." when `text` cannot be a metadata key or tensor name of at most `max_bytes` bytes; empty when it can.
std::string name_problem(std::string_view text, uint64_t max_bytes);
// Likewise for an alignment.
std::string alignment_problem(uint64_t alignment);

// Arithmetic that reports overflow instead of wrapping.
inline std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  if (a > std::numeric_limits<uint64_t>::max() - b) return std::nullopt;
  return a + b;
}
inline std::optional<uint64_t> checked_mul(uint64_t a, uint64_t b) {
  if (b != 0 && a > std::numeric_limits<uint64_t>::max() / b) return std::nullopt;
  return a * b;
}
// `n` rounded up to a multiple of `alignment` (a power of two).
inline std::optional<uint64_t> checked_align(uint64_t n, uint64_t alignment) {
  const auto sum = checked_add(n, alignment - 1);
  if (!sum) return std::nullopt;
  return *sum & ~(alignment - 1);
}

// Runs `body`, which returns a Result or Status, and turns a failed allocation into a kCapacity error: no exception
// leaves the room.
template <class F>
auto without_bad_alloc(std::string_view file, F&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kCapacity, std::string(file) + ": out of memory"};
  } catch (const std::length_error&) {
    return Error{ErrorCode::kCapacity, std::string(file) + ": out of memory (a container would exceed its limit)"};
  }
}

}  // namespace kedge::weights
