// Writes GGUF version 3 files: metadata and the table of tensors first, then the data of one tensor after the other,
// so that a quantiser needs memory for one piece of one tensor. Source: the GGUF specification of the ggml project.
//
//   GgufWriter w;
//   w.add_string("general.architecture", "llama");
//   w.add("llama.block_count", uint32_t{12});
//   w.add_tensor("output.weight", *find_quant("Q8_0"), dims);
//   KEDGE_TRY(w.begin(path));
//   KEDGE_TRY(w.write("output.weight", bytes));
//   KEDGE_TRY(w.finish());
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/output_file.h"
#include "kernels/base/result.h"
#include "kernels/quants.h"
#include "weights/gguf.h"

namespace kedge::weights {

namespace gguf_internal {
template <class T>
inline constexpr GgufType kTypeOf = GgufType::kArray;  // not a number
template <>
inline constexpr GgufType kTypeOf<uint8_t> = GgufType::kUint8;
template <>
inline constexpr GgufType kTypeOf<int8_t> = GgufType::kInt8;
template <>
inline constexpr GgufType kTypeOf<uint16_t> = GgufType::kUint16;
template <>
inline constexpr GgufType kTypeOf<int16_t> = GgufType::kInt16;
template <>
inline constexpr GgufType kTypeOf<uint32_t> = GgufType::kUint32;
template <>
inline constexpr GgufType kTypeOf<int32_t> = GgufType::kInt32;
template <>
inline constexpr GgufType kTypeOf<uint64_t> = GgufType::kUint64;
template <>
inline constexpr GgufType kTypeOf<int64_t> = GgufType::kInt64;
template <>
inline constexpr GgufType kTypeOf<float> = GgufType::kFloat32;
template <>
inline constexpr GgufType kTypeOf<double> = GgufType::kFloat64;
template <>
inline constexpr GgufType kTypeOf<bool> = GgufType::kBool;
}  // namespace gguf_internal

template <class T>
concept GgufNumber = gguf_internal::kTypeOf<T>
!= GgufType::kArray;

// Use in order: add..., begin, write..., finish. One thread at a time; move-only. What add... is given is copied, and
// checked by the rules of the reader; the first problem is kept and returned by begin(). When anything fails, or the
// writer goes before finish(), nothing is left at the target's name and the temporary file is removed.
class GgufWriter {
 public:
  GgufWriter() = default;

  // A power of two from 8 to 1 MiB; 32, the default, needs no key.
  void set_alignment(uint64_t alignment);

  template <GgufNumber T>
  void add(std::string_view key, T value) {
    add_raw(key, gguf_internal::kTypeOf<T>, std::as_bytes(std::span(&value, 1)));
  }
  void add_string(std::string_view key, std::string_view value);
  template <GgufNumber T>
  void add_array(std::string_view key, std::span<const T> values) {
    add_raw_array(key, gguf_internal::kTypeOf<T>, values.size(), std::as_bytes(values));
  }
  void add_bools(std::string_view key, std::span<const uint8_t> values);  // each 0 or 1
  void add_strings(std::string_view key, std::span<const std::string_view> values);
  void add_strings(std::string_view key, std::span<const std::string> values);
  // An entry of another file, byte for byte. general.alignment sets the alignment of this file. To make one file of a
  // split model, leave out its split.* keys.
  void copy(const GgufEntry& entry);

  // dims[0] is the length of a row.
  void add_tensor(std::string_view name, const QuantFormat& type, std::span<const int64_t> dims);

  // Everything before the tensor data, padded to the alignment.
  Result<std::vector<std::byte>> header() const;
  uint64_t total_bytes() const;  // of the file, when nothing added is wrong

  // Writes the header to a temporary file beside `path`; of the options, how many bytes are expected is known here.
  Status begin(const std::string& path, OutputOptions options = {});
  // Data of the tensors in the order they were added, each in one call or in pieces.
  Status write(std::string_view name, std::span<const std::byte> bytes);
  // kInvalidArgument when data is missing. The file has its name and is on disk when this succeeds.
  Status finish();

 private:
  struct Tensor {
    std::string name;
    TensorInfo info;  // without its name: a view
  };
  void problem(const std::string& what);
  template <class F>
  void guarded(F&& body);
  bool add_key(std::string_view key);
  void add_raw(std::string_view key, GgufType type, std::span<const std::byte> bytes);
  void add_raw_array(std::string_view key, GgufType type, uint64_t count, std::span<const std::byte> bytes);
  template <class Strings>
  void add_string_array(std::string_view key, const Strings& values);
  bool check_string(std::string_view key, std::string_view value);
  Status check() const;
  uint64_t data_end() const;
  Status write_padding();

  uint64_t alignment_ = kDefaultGgufAlignment;
  std::vector<std::string> keys_;
  std::vector<std::byte> metadata_;  // encoded
  std::vector<Tensor> tensors_;
  Status problem_;

  OutputFile out_;
  std::string path_;
  size_t current_ = 0;         // tensor being written
  uint64_t current_done_ = 0;  // bytes of it
};

}  // namespace kedge::weights
