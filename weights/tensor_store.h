// The tensors of a model: one GGUF file, or all parts of a split one (name-00001-of-00003.gguf, ...).
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "weights/gguf.h"
#include "weights/mapped_file.h"
#include "weights/name_index.h"

namespace kedge::weights {

// A tensor and its data. Valid as long as the store; empty (false) when an optional tensor is missing.
struct TensorRef {
  const TensorInfo* info = nullptr;
  const std::byte* data = nullptr;  // info->bytes of them, aligned to 8 bytes or more
  explicit operator bool() const { return info != nullptr; }
};

// Owns the files; move-only, and everything it gave out stays valid when it is moved. Constant after opening, so any
// number of threads may read.
class TensorStore {
 public:
  // `path` is the file, or the first part of a split model. Errors are those of MappedFile::open and parse_gguf, and
  // kNotFound for a missing part, kInvalidArgument for a part that is not the first.
  static Result<TensorStore> open(const std::string& path, const LoadOptions& options = {});
  // A whole GGUF file in memory of the caller's (8-byte aligned), which must outlive the store.
  static Result<TensorStore> from_bytes(std::span<const std::byte> bytes, const std::string& name);

  const std::string& path() const { return path_; }
  const GgufMetadata& metadata() const { return parts_.front().gguf.metadata; }  // a split model's is in its first part
  uint32_t version() const { return parts_.front().gguf.version; }
  uint64_t alignment() const { return parts_.front().gguf.alignment; }
  std::span<const TensorInfo> tensors() const { return tensors_; }  // in file order
  uint64_t file_bytes() const { return file_bytes_; }               // of all parts
  uint64_t tensor_bytes() const;                                    // of all tensors' data
  size_t n_files() const { return parts_.size(); }
  const MappedFile& file(size_t part) const { return parts_[part].file; }  // of from_bytes(): an empty one

  const TensorInfo* find(std::string_view name) const;  // null when there is none
  std::span<const std::byte> data(const TensorInfo& tensor) const;

  // The tensor of that name and shape (dims[0] is the row; trailing dimensions of 1 do not matter). Errors name the
  // tensor, the shape it has and the one expected: kNotFound, or kCorrupt for another shape.
  Result<TensorRef> require(std::string_view name, std::span<const int64_t> dims) const;
  Result<TensorRef> require(std::string_view name, std::initializer_list<int64_t> dims) const {
    return require(name, std::span(dims.begin(), dims.size()));
  }
  // The same, but a missing tensor is an empty TensorRef.
  Result<TensorRef> optional(std::string_view name, std::span<const int64_t> dims) const;
  Result<TensorRef> optional(std::string_view name, std::initializer_list<int64_t> dims) const {
    return optional(name, std::span(dims.begin(), dims.size()));
  }

  // MappedFile::advise for one tensor's bytes.
  void advise(const TensorInfo& tensor, MappedFile::Advice advice) const;

 private:
  struct Part {
    MappedFile file;
    std::span<const std::byte> bytes;
    GgufFile gguf;
  };
  Status add_part(Part part, const std::string& path);
  Status finish();
  Status check_split(size_t n_named) const;

  std::string path_;
  std::vector<Part> parts_;
  std::vector<TensorInfo> tensors_;
  NameIndex by_name_;
  uint64_t file_bytes_ = 0;
};

}  // namespace kedge::weights
