// Reads safetensors files, the weights of a Hugging Face folder: eight bytes with the length of a JSON header, the
// header, and the tensors' bytes without a gap. Written for files that are not trusted: every length, shape and extent
// is checked before it is used, and tensor data is never touched.
// Source: the format description of the safetensors project (README, "Format").
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "weights/mapped_file.h"

namespace kedge::weights {

enum class SafetensorsType : uint8_t { kBool, kU8, kI8, kI16, kU16, kI32, kU32, kI64, kU64, kF16, kBf16, kF32, kF64 };

std::string_view safetensors_type_name(SafetensorsType type);  // as in the file: "BF16"
size_t safetensors_type_bytes(SafetensorsType type);
inline bool is_float(SafetensorsType type) { return type >= SafetensorsType::kF16; }

// Limits of what a file may declare; the header's is the format's own.
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;
inline constexpr size_t kMaxSafetensorsTensors = size_t{1} << 20;
inline constexpr size_t kMaxSafetensorsDims = 8;

struct SafetensorsTensor {
  std::string name;
  SafetensorsType type = SafetensorsType::kF32;
  std::vector<int64_t> shape;  // the row is last; none for a single value
  std::span<const std::byte> data;
  uint32_t file = 0;  // of a store with several

  size_t n_values() const { return data.size() / safetensors_type_bytes(type); }
  std::string shape_text() const;  // "[32000, 4096]"
};

// Value `i` of `data` and the n - 1 behind it, as floats: to the nearest where float32 has less than the type. Only for
// floating-point types.
void read_safetensors_floats(const SafetensorsTensor& tensor, size_t i, size_t n, float* out);

// The tensors of the bytes of a whole file, in the order of their data; `file` names it in messages. The result points
// into `bytes`. Errors:
//   kInvalidArgument  no header, or one that is no JSON
//   kUnsupported      a tensor of a type Kedge does not read (F8_E4M3 and smaller)
//   kCorrupt          breaks the format: a shape against its bytes, an extent outside, overlapping, or a gap
//   kCapacity         over a limit, or out of memory
Result<std::vector<SafetensorsTensor>> parse_safetensors(std::span<const std::byte> bytes, const std::string& file);

// The weights of a folder: model.safetensors, or the parts that model.safetensors.index.json names. Move-only.
class SafetensorsStore {
 public:
  // Errors beside those of parse_safetensors: kNotFound (no such folder, no weights in it, a part is missing), kCorrupt
  // (a tensor that two parts have, or that is not where the index says).
  static Result<SafetensorsStore> open(const std::string& folder, const LoadOptions& options = {});

  std::span<const SafetensorsTensor> tensors() const { return tensors_; }  // by name
  const SafetensorsTensor* find(std::string_view name) const;              // null when there is none
  const std::vector<std::string>& files() const { return names_; }         // that were read, without the folder
  uint64_t file_bytes() const;
  // Pages that were read are not needed any more.
  void drop(const SafetensorsTensor& tensor) const;

 private:
  Status add(const std::string& folder, const std::string& name, const LoadOptions& options);
  Status add_indexed(const std::string& folder, const LoadOptions& options);
  Status finish(const std::string& folder);

  std::vector<std::string> names_;
  std::vector<MappedFile> files_;
  std::vector<SafetensorsTensor> tensors_;
};

}  // namespace kedge::weights
