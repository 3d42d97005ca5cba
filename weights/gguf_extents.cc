// Where the tensors of a file lie, and whether they can.
#include <algorithm>
#include <limits>

#include "weights/gguf_internal.h"
#include "weights/name_index.h"

namespace kedge::weights {

std::string TensorInfo::shape() const {
  std::string text = "[";
  for (int i = 0; i < n_dims; ++i) text += (i > 0 ? ", " : "") + std::to_string(dims[static_cast<size_t>(i)]);
  return text + "]";
}

namespace gguf_internal {

namespace {

// Numbers under which files of before 2026 have blocks of other sizes (NVFP4, Q1_0, Q2_0). Tensors follow each other,
// so what lies between two says which block it is.
bool reused_number(const QuantFormat& type) { return type.gguf_id >= 40 && type.gguf_id <= 42; }

Status check_reused_number(const TensorInfo& t, uint64_t next, uint64_t alignment, const std::string& file) {
  if (!reused_number(*t.type)) return {};
  const uint64_t there = next - t.offset;
  if (there >= t.bytes && there - t.bytes < alignment) return {};
  return Error{ErrorCode::kUnsupported,
               file + ": tensor " + in_quotes(t.name) + " of type " + t.type->name + " (" +
                   std::to_string(t.type->gguf_id) + ") has " + std::to_string(there) + " bytes, but " +
                   std::to_string(t.type->block_values) + " values in " + std::to_string(t.type->block_bytes) +
                   " bytes make " + std::to_string(t.bytes) +
                   ": a file of another project, or an older one, whose blocks under this number are others"};
}

}  // namespace

Result<uint64_t> tensor_bytes(const TensorInfo& tensor) {
  const QuantFormat& type = *tensor.type;
  const auto row = static_cast<uint64_t>(tensor.dims[0]);
  const auto block_values = static_cast<uint64_t>(type.block_values);
  if (row % block_values != 0) {
    return Error{ErrorCode::kCorrupt, "rows have " + std::to_string(row) + " values, must be a multiple of the " +
                                          std::to_string(block_values) + " of a " + type.name + " block"};
  }
  std::optional<uint64_t> values = row;
  std::optional<uint64_t> bytes = checked_mul(row / block_values, static_cast<uint64_t>(type.block_bytes));
  for (size_t i = 1; i < tensor.dims.size() && values && bytes; ++i) {
    values = checked_mul(*values, static_cast<uint64_t>(tensor.dims[i]));
    bytes = checked_mul(*bytes, static_cast<uint64_t>(tensor.dims[i]));
  }
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!values || !bytes || *values > kMax || *bytes > kMax) {
    return Error{ErrorCode::kCorrupt,
                 "shape " + tensor.shape() + " overflows: more than " + std::to_string(kMax) + " values or bytes"};
  }
  return *bytes;
}

Status place_tensors(GgufFile& gguf, uint64_t file_bytes, const std::string& file) {
  const auto at = [&](size_t i) { return gguf.tensors[i].name; };
  const auto corrupt = [&](const std::string& what) { return Error{ErrorCode::kCorrupt, file + ": " + what}; };
  if (const auto twice = NameIndex(gguf.tensors.size(), at).duplicate()) {
    return corrupt("tensor " + in_quotes(at(*twice)) + " appears more than once");
  }
  const TensorInfo* last = nullptr;  // whose end is furthest
  for (TensorInfo& t : gguf.tensors) {
    if (t.offset % gguf.alignment != 0) {
      return corrupt("tensor " + in_quotes(t.name) + ": offset is " + std::to_string(t.offset) +
                     ", must be a multiple of the alignment " + std::to_string(gguf.alignment));
    }
    const auto start = checked_add(t.offset, gguf.data_offset);
    if (!start || !checked_add(*start, t.bytes)) {
      return corrupt("tensor " + in_quotes(t.name) + ": offset " + std::to_string(t.offset) + " plus " +
                     std::to_string(t.bytes) + " bytes overflows");
    }
    t.offset = *start;
    if (last == nullptr || t.offset + t.bytes > last->offset + last->bytes) last = &t;
  }
  std::vector<const TensorInfo*> order;
  order.reserve(gguf.tensors.size());
  for (const TensorInfo& t : gguf.tensors) order.push_back(&t);
  std::sort(order.begin(), order.end(), [](const TensorInfo* a, const TensorInfo* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    KEDGE_TRY(check_reused_number(*order[i - 1], order[i]->offset, gguf.alignment, file));
  }
  if (last != nullptr && last->offset + last->bytes > file_bytes) {
    return corrupt("truncated: tensor " + in_quotes(last->name) + " ends at byte " +
                   std::to_string(last->offset + last->bytes) + ", the file has " + std::to_string(file_bytes));
  }
  for (size_t i = 1; i < order.size(); ++i) {
    const TensorInfo& a = *order[i - 1];
    const TensorInfo& b = *order[i];
    if (a.offset + a.bytes > b.offset) {
      return corrupt("tensors " + in_quotes(a.name) + " (bytes " + std::to_string(a.offset) + " to " +
                     std::to_string(a.offset + a.bytes) + ") and " + in_quotes(b.name) + " (from byte " +
                     std::to_string(b.offset) + ") overlap");
    }
  }
  return {};
}

}  // namespace gguf_internal

}  // namespace kedge::weights
