// Reads the header of a GGUF file (versions 2 and 3, little-endian): metadata and the table of tensors. Written for
// files that are not trusted: every count and extent is checked before it is used, nothing is allocated beyond a small
// multiple of the file's size, and the cost is linear in it (n log n in the number of names).
// Source: the GGUF specification (docs/gguf.md) of the ggml project.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "kernels/quants.h"
#include "weights/gguf_metadata.h"

namespace kedge::weights {

// One tensor of a file. `name` points into the file's bytes.
struct TensorInfo {
  std::string_view name;
  const QuantFormat* type = nullptr;
  std::array<int64_t, kMaxGgufDims> dims = {1, 1, 1, 1};  // dims[0] is the length of a row; missing ones are 1
  int n_dims = 0;
  uint32_t file = 0;    // part of a split model, from 0
  uint64_t offset = 0;  // of the data in its file
  uint64_t bytes = 0;   // of the data

  int64_t row_values() const { return dims[0]; }
  int64_t rows() const { return dims[1] * dims[2] * dims[3]; }
  int64_t n_values() const { return dims[0] * rows(); }
  size_t row_bytes() const { return type->row_bytes(static_cast<size_t>(dims[0])); }
  std::string shape() const;  // "[4096, 32000]"
};

struct GgufFile {
  uint32_t version = 0;
  uint64_t alignment = kDefaultGgufAlignment;
  uint64_t data_offset = 0;  // where tensor data begins
  GgufMetadata metadata;
  std::vector<TensorInfo> tensors;  // in file order, names unique, extents inside the file and disjoint
};

// Parses the header over the bytes of a whole file; `file` names it in messages. The result points into `bytes`, which
// must outlive it. Tensor data is never touched. Errors:
//   kInvalidArgument  not a GGUF file
//   kUnsupported      another version, big-endian, or a tensor type Kedge does not have
//   kCorrupt          breaks the format, or is truncated
//   kCapacity         exceeds one of the limits of gguf_format.h, or memory
Result<GgufFile> parse_gguf(std::span<const std::byte> bytes, const std::string& file);

}  // namespace kedge::weights
