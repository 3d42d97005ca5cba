#include "weights/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "kernels/base/float16.h"
#include "kernels/base/json_object.h"
#include "weights/gguf_format.h"

namespace kedge::weights {
namespace {

struct TypeRow {
  std::string_view name;
  size_t bytes;
};
// In the order of SafetensorsType.
constexpr TypeRow kTypes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"I16", 2},  {"U16", 2}, {"I32", 4}, {"U32", 4},
                              {"I64", 8},  {"U64", 8}, {"F16", 2}, {"BF16", 2}, {"F32", 4}, {"F64", 8}};

constexpr size_t kLengthBytes = 8;

Error corrupt(const std::string& file, const std::string& what) { return {ErrorCode::kCorrupt, file + ": " + what}; }

uint64_t load_u64(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) value |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  return value;
}

template <class T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

Result<SafetensorsType> find_type(const std::string& name, const std::string& what) {
  for (size_t i = 0; i < std::size(kTypes); ++i) {
    if (kTypes[i].name == name) return static_cast<SafetensorsType>(i);
  }
  return Error{ErrorCode::kUnsupported, what + " has type " + in_quotes(name) +
                                            ", which Kedge does not read; F64, F32, F16, BF16 and whole numbers are"};
}

struct Extent {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// One member of the header. `what` names the tensor with its file.
Status read_entry(const base::Json& json, const std::string& what, SafetensorsTensor* tensor, Extent* extent) {
  KEDGE_ASSIGN(object, base::JsonObject::of(json, what));
  std::string type_name;
  KEDGE_TRY(object.text("dtype", type_name));
  const base::Json* shape = object.find("shape");
  const base::Json* offsets = object.find("data_offsets");
  KEDGE_TRY(object.finish({"dtype", "shape", "data_offsets"}));
  KEDGE_ASSIGN(type, find_type(type_name, what));
  tensor->type = type;
  if (!shape->is_array() || shape->size() > kMaxSafetensorsDims) {
    return corrupt(what, "shape must be a list of at most " + std::to_string(kMaxSafetensorsDims) + " numbers");
  }
  uint64_t bytes = safetensors_type_bytes(type);
  for (const base::Json& dim : *shape) {
    KEDGE_ASSIGN(n, base::whole_number(dim, what + ": shape", 0, int64_t{1} << 48));
    tensor->shape.push_back(n);
    const auto product = checked_mul(bytes, static_cast<uint64_t>(n));
    if (!product) return corrupt(what, "shape " + tensor->shape_text() + " overflows");
    bytes = *product;
  }
  if (!offsets->is_array() || offsets->size() != 2) return corrupt(what, "data_offsets must be two numbers");
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  KEDGE_ASSIGN(begin, base::whole_number(offsets->at(0), what + ": data_offsets", 0, kMost));
  KEDGE_ASSIGN(end, base::whole_number(offsets->at(1), what + ": data_offsets", begin, kMost));
  *extent = {static_cast<uint64_t>(begin), static_cast<uint64_t>(end)};
  if (extent->end - extent->begin != bytes) {
    return corrupt(what, "data_offsets say " + std::to_string(end - begin) + " bytes, but shape " +
                             tensor->shape_text() + " of " + type_name + " takes " + std::to_string(bytes));
  }
  return {};
}

// Extents have to follow each other from the first byte of the data to the last.
Status place(std::span<const std::byte> data, const std::string& file, std::vector<Extent> extents,
             std::vector<SafetensorsTensor>* tensors) {
  std::vector<size_t> order(extents.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(extents[a].begin, extents[a].end) < std::pair(extents[b].begin, extents[b].end);
  });
  std::vector<SafetensorsTensor> sorted;
  sorted.reserve(order.size());
  uint64_t at = 0;
  for (const size_t i : order) {
    SafetensorsTensor& t = (*tensors)[i];
    const Extent& e = extents[i];
    if (e.begin != at) {
      return corrupt(file, "tensor " + in_quotes(t.name) + " begins at byte " + std::to_string(e.begin) +
                               " of the data, but " +
                               (e.begin < at ? "what is before it ends at " : "a gap begins at ") + std::to_string(at));
    }
    if (e.end > data.size()) {
      return corrupt(file, "tensor " + in_quotes(t.name) + " ends at byte " + std::to_string(e.end) +
                               " of the data, which has " + std::to_string(data.size()) + ": is the file truncated?");
    }
    t.data = data.subspan(static_cast<size_t>(e.begin), static_cast<size_t>(e.end - e.begin));
    at = e.end;
    sorted.push_back(std::move(t));
  }
  if (at != data.size()) {
    return corrupt(file, std::to_string(data.size() - at) + " bytes at the end belong to no tensor");
  }
  *tensors = std::move(sorted);
  return {};
}

Status check_metadata(const base::Json& metadata, const std::string& file) {
  if (!metadata.is_object()) return corrupt(file, "__metadata__ is no object");
  for (const base::Json::Member& member : metadata.items()) {
    if (!member.value.is_string()) return corrupt(file, "__metadata__." + member.key.substr(0, 64) + " is no text");
  }
  return {};
}

Result<std::vector<SafetensorsTensor>> parse(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < kLengthBytes) {
    return Error{ErrorCode::kInvalidArgument,
                 file + ": " + std::to_string(bytes.size()) + " bytes are too few for a safetensors file"};
  }
  const uint64_t length = load_u64(bytes);
  if (length > bytes.size() - kLengthBytes) {
    return corrupt(file, "the header says it has " + std::to_string(length) + " bytes, the file " +
                             std::to_string(bytes.size() - kLengthBytes) + " behind its length");
  }
  if (length > kMaxSafetensorsHeader) {
    return Error{ErrorCode::kCapacity, file + ": the header has " + std::to_string(length) + " bytes; the limit is " +
                                           std::to_string(kMaxSafetensorsHeader)};
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, static_cast<size_t>(length));
  if (!text.starts_with('{')) return corrupt(file, "the header does not begin with '{': no safetensors file");
  KEDGE_ASSIGN(json, base::parse_json(text, (file + ": header").c_str()));
  std::vector<SafetensorsTensor> tensors;
  std::vector<Extent> extents;
  if (json.size() > kMaxSafetensorsTensors) {
    return Error{ErrorCode::kCapacity, file + ": " + std::to_string(json.size()) + " tensors; the limit is " +
                                           std::to_string(kMaxSafetensorsTensors)};
  }
  for (const base::Json::Member& member : json.items()) {
    if (member.key == "__metadata__") {
      KEDGE_TRY(check_metadata(member.value, file));
      continue;
    }
    SafetensorsTensor tensor;
    tensor.name = member.key;
    Extent extent;
    KEDGE_TRY(read_entry(member.value, file + ": tensor " + in_quotes(member.key), &tensor, &extent));
    tensors.push_back(std::move(tensor));
    extents.push_back(extent);
  }
  KEDGE_TRY(place(bytes.subspan(kLengthBytes + text.size()), file, std::move(extents), &tensors));
  return tensors;
}

}  // namespace

std::string_view safetensors_type_name(SafetensorsType type) { return kTypes[static_cast<size_t>(type)].name; }
size_t safetensors_type_bytes(SafetensorsType type) { return kTypes[static_cast<size_t>(type)].bytes; }

std::string SafetensorsTensor::shape_text() const {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

void read_safetensors_floats(const SafetensorsTensor& tensor, size_t i, size_t n, float* out) {
  const size_t size = safetensors_type_bytes(tensor.type);
  const std::byte* p = tensor.data.data() + i * size;
  switch (tensor.type) {
    case SafetensorsType::kF32:
      std::memcpy(out, p, n * size);
      return;
    case SafetensorsType::kF64:
      for (size_t k = 0; k < n; ++k) out[k] = static_cast<float>(load<double>(p + k * size));
      return;
    case SafetensorsType::kBf16:
      for (size_t k = 0; k < n; ++k) out[k] = std::bit_cast<float>(uint32_t{load<uint16_t>(p + k * size)} << 16);
      return;
    case SafetensorsType::kF16:
      for (size_t k = 0; k < n; ++k) out[k] = base::f16_to_f32(load<uint16_t>(p + k * size));
      return;
    default:
      std::fill_n(out, n, std::numeric_limits<float>::quiet_NaN());  // not for such a tensor
  }
}

Result<std::vector<SafetensorsTensor>> parse_safetensors(std::span<const std::byte> bytes, const std::string& file) {
  return without_bad_alloc(file, [&] { return parse(bytes, file); });
}

}  // namespace kedge::weights
