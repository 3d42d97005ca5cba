// The key/value part of a GGUF file, with typed access. A view: keys, strings and arrays stay where they are in the
// file's bytes, which must outlive it. Constant after parsing, so any number of threads may read.
//
// Every error names the file, the key, what is there and what was expected:
//   kNotFound  the key is missing
//   kCorrupt   the value has another type, or does not fit the type asked for
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/base/result.h"
#include "weights/gguf_format.h"
#include "weights/name_index.h"

namespace kedge::weights {

// One value widened without loss: unsigned and signed integers, floats, bools, strings.
using GgufScalar = std::variant<bool, uint64_t, int64_t, double, std::string_view>;

struct GgufEntry {
  std::string_view key;
  GgufType type = GgufType::kUint8;     // kArray for arrays
  GgufType element = GgufType::kUint8;  // type of an array's elements; the same as `type` otherwise
  uint64_t count = 1;                   // elements of an array; 1 otherwise
  std::span<const std::byte> bytes;     // as in the file, unaligned; a single string's is without its length

  bool is_array() const { return type == GgufType::kArray; }
  std::string type_name() const;  // "u32", "array of string", ...
  // The value; of an array, its first element. Not for empty or nested arrays (they give false).
  GgufScalar scalar() const;
  // The first `limit` elements of an array (one for a scalar); empty for nested arrays.
  std::vector<GgufScalar> elements(size_t limit) const;
};

class GgufMetadata {
 public:
  GgufMetadata() = default;
  // Builds the index over entries whose bytes are well formed; a key that appears twice is kCorrupt.
  static Result<GgufMetadata> make(std::string file, std::vector<GgufEntry> entries);

  const std::string& file() const { return file_; }
  std::span<const GgufEntry> entries() const { return entries_; }  // in file order
  const GgufEntry* find(std::string_view key) const;               // null when there is none
  bool has(std::string_view key) const { return find(key) != nullptr; }

  // Integers of any width and sign are accepted when the value fits; f32 also accepts f64 within range (rounded once).
  Result<uint32_t> get_u32(std::string_view key) const;
  Result<int32_t> get_i32(std::string_view key) const;
  Result<uint64_t> get_u64(std::string_view key) const;
  Result<int64_t> get_i64(std::string_view key) const;
  Result<float> get_f32(std::string_view key) const;
  Result<double> get_f64(std::string_view key) const;
  Result<bool> get_bool(std::string_view key) const;
  Result<std::string_view> get_string(std::string_view key) const;

  // The same with a value for a missing key. A key that is there with a wrong type is still an error.
  Result<uint32_t> get_u32_or(std::string_view key, uint32_t fallback) const;
  Result<float> get_f32_or(std::string_view key, float fallback) const;
  Result<bool> get_bool_or(std::string_view key, bool fallback) const;
  Result<std::string_view> get_string_or(std::string_view key, std::string_view fallback) const;

  // Arrays, copied. Elements follow the rules of the scalar getters; kCapacity when memory runs out.
  Result<std::vector<uint32_t>> get_u32s(std::string_view key) const;
  Result<std::vector<int32_t>> get_i32s(std::string_view key) const;
  Result<std::vector<float>> get_f32s(std::string_view key) const;
  Result<std::vector<uint8_t>> get_bools(std::string_view key) const;  // 0 or 1
  Result<std::vector<std::string_view>> get_strings(std::string_view key) const;

  // One value per layer: an array of exactly `n` elements, or a scalar that stands for all of them.
  Result<std::vector<uint32_t>> get_u32_per_layer(std::string_view key, uint32_t n) const;
  Result<std::vector<uint8_t>> get_bool_per_layer(std::string_view key, uint32_t n) const;

 private:
  template <class T>
  Result<T> get(std::string_view key) const;
  template <class T>
  Result<std::vector<T>> get_array(std::string_view key) const;
  template <class T>
  Result<std::vector<T>> get_per_layer(std::string_view key, uint32_t n) const;
  Error missing(std::string_view key, const char* expected) const;
  Error mismatch(const GgufEntry& entry, const std::string& expected) const;

  std::string file_;
  std::vector<GgufEntry> entries_;
  NameIndex by_key_;
};

// Value of type `type` (neither string nor array) at `p`, which need not be aligned.
GgufScalar load_gguf_scalar(GgufType type, const std::byte* p);

}  // namespace kedge::weights
