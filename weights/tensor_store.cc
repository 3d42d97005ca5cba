#include "weights/tensor_store.h"

#include <algorithm>
#include <cstdio>

namespace kedge::weights {

namespace {

constexpr std::string_view kSplitNo = "split.no";
constexpr std::string_view kSplitCount = "split.count";
constexpr std::string_view kSplitTensors = "split.tensors.count";

// What "<stem>-00002-of-00003.gguf" says; count is 0 for any other name.
struct PartName {
  std::string stem;
  uint32_t index = 0;  // from 1
  uint32_t count = 0;

  std::string path(uint32_t i) const {
    char suffix[48];
    std::snprintf(suffix, sizeof(suffix), "-%05u-of-%05u.gguf", i, count);
    return stem + suffix;
  }
};

bool parse_digits(std::string_view text, uint32_t& out) {
  out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    out = out * 10 + static_cast<uint32_t>(c - '0');
  }
  return true;
}

PartName parse_part_name(const std::string& path) {
  constexpr std::string_view kShape = "-00001-of-00001.gguf";
  PartName name;
  if (path.size() <= kShape.size()) return name;
  const std::string_view tail = std::string_view(path).substr(path.size() - kShape.size());
  uint32_t index = 0;
  uint32_t count = 0;
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || tail.substr(15) != ".gguf" ||
      !parse_digits(tail.substr(1, 5), index) || !parse_digits(tail.substr(10, 5), count)) {
    return name;
  }
  name.stem = path.substr(0, path.size() - kShape.size());
  name.index = index;
  name.count = count;
  return name;
}

std::string shape_text(std::span<const int64_t> dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

bool same_shape(const TensorInfo& t, std::span<const int64_t> dims) {
  for (size_t i = 0; i < std::max(t.dims.size(), dims.size()); ++i) {
    const int64_t have = i < t.dims.size() ? t.dims[i] : 1;
    const int64_t want = i < dims.size() ? dims[i] : 1;
    if (have != want) return false;
  }
  return true;
}

// The files to open, with every part known to be there before the first is read.
struct Plan {
  std::vector<std::string> paths;
  uint64_t total_bytes = 0;
};

Result<Plan> plan_parts(const std::string& path) {
  Plan plan;
  const PartName name = parse_part_name(path);
  if (name.count <= 1) {
    KEDGE_ASSIGN(size, regular_file_size(path));
    plan.paths.push_back(path);
    plan.total_bytes = size;
    return plan;
  }
  if (name.count > kMaxGgufParts) {
    return Error{ErrorCode::kCapacity, path + ": the name says " + std::to_string(name.count) +
                                           " parts, the limit is " + std::to_string(kMaxGgufParts)};
  }
  if (name.index != 1) {
    return Error{ErrorCode::kInvalidArgument, path + ": is part " + std::to_string(name.index) + " of " +
                                                  std::to_string(name.count) +
                                                  " of a split model; give the first part, " + name.path(1)};
  }
  for (uint32_t i = 1; i <= name.count; ++i) {
    const std::string part = name.path(i);
    const auto size = regular_file_size(part);
    if (!size.ok() && i > 1 && size.error().code == ErrorCode::kNotFound) {
      return Error{ErrorCode::kNotFound, part + ": part " + std::to_string(i) + " of " + std::to_string(name.count) +
                                             " of the split model is missing"};
    }
    if (!size.ok()) return size.error();
    const auto sum = checked_add(plan.total_bytes, *size);
    if (!sum) return Error{ErrorCode::kCapacity, part + ": the sizes of the parts overflow"};
    plan.total_bytes = *sum;
    plan.paths.push_back(part);
  }
  return plan;
}

}  // namespace

Result<TensorStore> TensorStore::open(const std::string& path, const LoadOptions& options) {
  return without_bad_alloc(path, [&]() -> Result<TensorStore> {
    KEDGE_ASSIGN(plan, plan_parts(path));
    TensorStore store;
    store.path_ = path;
    for (const std::string& part_path : plan.paths) {
      LoadOptions part_options = options;
      if (options.progress) {
        part_options.progress = [&, before = store.file_bytes_](uint64_t done, uint64_t) {
          // Sizes may have changed since the plan; what is reported never exceeds the total.
          return options.progress(std::min(before + done, plan.total_bytes), plan.total_bytes);
        };
      }
      KEDGE_ASSIGN(file, MappedFile::open(part_path, part_options));
      Part part;
      part.bytes = file.bytes();
      part.file = std::move(file);
      KEDGE_TRY(store.add_part(std::move(part), part_path));
    }
    KEDGE_TRY(store.check_split(plan.paths.size()));
    KEDGE_TRY(store.finish());
    return store;
  });
}

Result<TensorStore> TensorStore::from_bytes(std::span<const std::byte> bytes, const std::string& name) {
  return without_bad_alloc(name, [&]() -> Result<TensorStore> {
    if (reinterpret_cast<uintptr_t>(bytes.data()) % kMinGgufAlignment != 0) {
      return Error{ErrorCode::kInvalidArgument,
                   name + ": the bytes must be aligned to " + std::to_string(kMinGgufAlignment)};
    }
    TensorStore store;
    store.path_ = name;
    Part part;
    part.bytes = bytes;
    KEDGE_TRY(store.add_part(std::move(part), name));
    KEDGE_TRY(store.check_split(1));
    KEDGE_TRY(store.finish());
    return store;
  });
}

Status TensorStore::add_part(Part part, const std::string& path) {
  KEDGE_ASSIGN(gguf, parse_gguf(part.bytes, path));
  part.gguf = std::move(gguf);
  const uint64_t n = tensors_.size() + part.gguf.tensors.size();
  if (n > kMaxGgufTensors) {
    return Error{ErrorCode::kCapacity, path + ": tensor count of the parts so far is " + std::to_string(n) +
                                           ", the limit is " + std::to_string(kMaxGgufTensors)};
  }
  tensors_.reserve(static_cast<size_t>(n));
  for (TensorInfo t : part.gguf.tensors) {
    t.file = static_cast<uint32_t>(parts_.size());
    tensors_.push_back(t);
  }
  part.gguf.tensors = {};
  file_bytes_ += part.bytes.size();
  parts_.push_back(std::move(part));
  return {};
}

// What the parts say of themselves must agree with how many there are.
Status TensorStore::check_split(size_t n_named) const {
  for (size_t i = 0; i < parts_.size(); ++i) {
    const GgufMetadata& m = parts_[i].gguf.metadata;
    if (n_named == 1 && !m.has(kSplitCount)) continue;  // not split
    const auto differs = [&](std::string_view key, uint64_t value, uint64_t expected) {
      return Error{ErrorCode::kCorrupt, m.file() + ": key " + in_quotes(key) + " is " + std::to_string(value) +
                                            ", expected " + std::to_string(expected)};
    };
    KEDGE_ASSIGN(count, m.get_u32(kSplitCount));
    if (n_named == 1 && count > 1) {
      return Error{ErrorCode::kInvalidArgument, m.file() + ": key " + in_quotes(kSplitCount) + " is " +
                                                    std::to_string(count) +
                                                    ": a split model, whose parts must be named <name>-00001-of-" +
                                                    PartName{"", 1, count}.path(1).substr(10)};
    }
    if (count != std::max<size_t>(n_named, 1) && !(n_named == 1 && count == 0)) {
      return differs(kSplitCount, count, n_named);
    }
    if (n_named == 1) continue;
    KEDGE_ASSIGN(no, m.get_u32(kSplitNo));
    if (no != i) return differs(kSplitNo, no, i);
    if (!m.has(kSplitTensors)) continue;
    KEDGE_ASSIGN(total, m.get_u64(kSplitTensors));
    if (total != tensors_.size()) return differs(kSplitTensors, total, tensors_.size());
  }
  return {};
}

Status TensorStore::finish() {
  by_name_ = NameIndex(tensors_.size(), [&](size_t i) { return tensors_[i].name; });
  if (const auto i = by_name_.duplicate()) {
    return Error{ErrorCode::kCorrupt, parts_[tensors_[*i].file].gguf.metadata.file() + ": tensor " +
                                          in_quotes(tensors_[*i].name) + " is also in an earlier part"};
  }
  return {};
}

uint64_t TensorStore::tensor_bytes() const {
  uint64_t sum = 0;
  for (const TensorInfo& t : tensors_) sum += t.bytes;
  return sum;
}

const TensorInfo* TensorStore::find(std::string_view name) const {
  const auto i = by_name_.find(name, [&](size_t j) { return tensors_[j].name; });
  return i ? &tensors_[*i] : nullptr;
}

std::span<const std::byte> TensorStore::data(const TensorInfo& tensor) const {
  return parts_[tensor.file].bytes.subspan(static_cast<size_t>(tensor.offset), static_cast<size_t>(tensor.bytes));
}

Result<TensorRef> TensorStore::optional(std::string_view name, std::span<const int64_t> dims) const {
  const TensorInfo* t = find(name);
  if (t == nullptr) return TensorRef{};
  if (!same_shape(*t, dims)) {
    return Error{ErrorCode::kCorrupt, parts_[t->file].gguf.metadata.file() + ": tensor " + in_quotes(name) +
                                          " has shape " + t->shape() + ", expected " + shape_text(dims)};
  }
  return TensorRef{t, data(*t).data()};
}

Result<TensorRef> TensorStore::require(std::string_view name, std::span<const int64_t> dims) const {
  KEDGE_ASSIGN(ref, optional(name, dims));
  if (!ref) {
    return Error{ErrorCode::kNotFound,
                 path_ + ": tensor " + in_quotes(name) + " is missing (expected shape " + shape_text(dims) + ")"};
  }
  return ref;
}

void TensorStore::advise(const TensorInfo& tensor, MappedFile::Advice advice) const {
  parts_[tensor.file].file.advise(tensor.offset, tensor.bytes, advice);
}

}  // namespace kedge::weights
