#include "weights/gguf_metadata.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace kedge::weights {

namespace {

template <class T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

// What the getters of T accept, in words for messages.
template <class T>
constexpr const char* kExpected = "value";
template <>
constexpr const char* kExpected<bool> = "bool";
template <>
constexpr const char* kExpected<std::string_view> = "string";
template <>
constexpr const char* kExpected<float> = "f32";
template <>
constexpr const char* kExpected<double> = "f64";
template <>
constexpr const char* kExpected<uint32_t> = "u32";
template <>
constexpr const char* kExpected<int32_t> = "i32";
template <>
constexpr const char* kExpected<uint64_t> = "u64";
template <>
constexpr const char* kExpected<int64_t> = "i64";

// Whether values of type `from` can ever convert to T; asked before memory for an array of T is taken.
template <class T>
bool convertible(GgufType from) {
  const bool real = from == GgufType::kFloat32 || from == GgufType::kFloat64;
  const bool other = from == GgufType::kBool || from == GgufType::kString || from == GgufType::kArray;
  if constexpr (std::is_same_v<T, bool>) return from == GgufType::kBool;
  if constexpr (std::is_same_v<T, std::string_view>) return from == GgufType::kString;
  if constexpr (std::is_floating_point_v<T>) return real;
  return !real && !other;
}

enum class Fit { kYes, kWrongType, kOutOfRange };

template <class T>
Fit convert(const GgufScalar& from, T& to) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string_view>) {
    const T* value = std::get_if<T>(&from);
    if (value == nullptr) return Fit::kWrongType;
    to = *value;
    return Fit::kYes;
  } else if constexpr (std::is_floating_point_v<T>) {
    const double* value = std::get_if<double>(&from);
    if (value == nullptr) return Fit::kWrongType;
    if (std::isfinite(*value) && std::fabs(*value) > static_cast<double>(std::numeric_limits<T>::max())) {
      return Fit::kOutOfRange;
    }
    to = static_cast<T>(*value);
    return Fit::kYes;
  } else {
    if (const auto* u = std::get_if<uint64_t>(&from)) {
      if (!std::in_range<T>(*u)) return Fit::kOutOfRange;
      to = static_cast<T>(*u);
      return Fit::kYes;
    }
    if (const auto* i = std::get_if<int64_t>(&from)) {
      if (!std::in_range<T>(*i)) return Fit::kOutOfRange;
      to = static_cast<T>(*i);
      return Fit::kYes;
    }
    return Fit::kWrongType;
  }
}

std::string number_text(const GgufScalar& value) {
  if (const auto* u = std::get_if<uint64_t>(&value)) return std::to_string(*u);
  if (const auto* i = std::get_if<int64_t>(&value)) return std::to_string(*i);
  if (const auto* d = std::get_if<double>(&value)) return std::to_string(*d);
  return "";
}

template <class T>
std::string range_text() {
  if constexpr (std::is_integral_v<T>) {
    std::string text = "[";
    text += std::to_string(std::numeric_limits<T>::min()) + ", " + std::to_string(std::numeric_limits<T>::max());
    return text + "]";
  } else {
    return std::string("the range of ") + kExpected<T>;
  }
}

}  // namespace

GgufScalar load_gguf_scalar(GgufType type, const std::byte* p) {
  switch (type) {
    case GgufType::kUint8:
      return static_cast<uint64_t>(load<uint8_t>(p));
    case GgufType::kUint16:
      return static_cast<uint64_t>(load<uint16_t>(p));
    case GgufType::kUint32:
      return static_cast<uint64_t>(load<uint32_t>(p));
    case GgufType::kUint64:
      return load<uint64_t>(p);
    case GgufType::kInt8:
      return static_cast<int64_t>(load<int8_t>(p));
    case GgufType::kInt16:
      return static_cast<int64_t>(load<int16_t>(p));
    case GgufType::kInt32:
      return static_cast<int64_t>(load<int32_t>(p));
    case GgufType::kInt64:
      return load<int64_t>(p);
    case GgufType::kFloat32:
      return static_cast<double>(load<float>(p));
    case GgufType::kFloat64:
      return load<double>(p);
    case GgufType::kBool:
      return load<uint8_t>(p) != 0;
    case GgufType::kString:
    case GgufType::kArray:
      break;
  }
  return false;
}

std::string GgufEntry::type_name() const {
  return is_array() ? "array of " + gguf_type_name(element) : gguf_type_name(type);
}

GgufScalar GgufEntry::scalar() const {
  if (type == GgufType::kString) {
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  if (!is_array()) return load_gguf_scalar(type, bytes.data());
  const std::vector<GgufScalar> first = elements(1);
  return first.empty() ? GgufScalar(false) : first.front();
}

std::vector<GgufScalar> GgufEntry::elements(size_t limit) const {
  std::vector<GgufScalar> out;
  if (element == GgufType::kArray) return out;
  const size_t n = count < limit ? static_cast<size_t>(count) : limit;
  out.reserve(n);
  if (!is_array()) {
    if (n > 0) out.push_back(scalar());
    return out;
  }
  const std::byte* p = bytes.data();
  for (size_t i = 0; i < n; ++i) {
    if (element == GgufType::kString) {
      const auto length = static_cast<size_t>(load<uint64_t>(p));
      out.emplace_back(std::string_view(reinterpret_cast<const char*>(p) + sizeof(uint64_t), length));
      p += sizeof(uint64_t) + length;
    } else {
      out.push_back(load_gguf_scalar(element, p));
      p += gguf_type_bytes(element);
    }
  }
  return out;
}

Result<GgufMetadata> GgufMetadata::make(std::string file, std::vector<GgufEntry> entries) {
  return without_bad_alloc(file, [&]() -> Result<GgufMetadata> {
    GgufMetadata m;
    m.file_ = file;
    m.entries_ = std::move(entries);
    m.by_key_ = NameIndex(m.entries_.size(), [&](size_t i) { return m.entries_[i].key; });
    if (const auto i = m.by_key_.duplicate()) {
      return Error{ErrorCode::kCorrupt, file + ": key " + in_quotes(m.entries_[*i].key) + " appears more than once"};
    }
    return m;
  });
}

const GgufEntry* GgufMetadata::find(std::string_view key) const {
  const auto i = by_key_.find(key, [&](size_t j) { return entries_[j].key; });
  return i ? &entries_[*i] : nullptr;
}

Error GgufMetadata::missing(std::string_view key, const char* expected) const {
  return Error{ErrorCode::kNotFound, file_ + ": key " + in_quotes(key) + " is missing (expected " + expected + ")"};
}

Error GgufMetadata::mismatch(const GgufEntry& entry, const std::string& expected) const {
  return Error{ErrorCode::kCorrupt,
               file_ + ": key " + in_quotes(entry.key) + " has type " + entry.type_name() + ", expected " + expected};
}

template <class T>
Result<T> GgufMetadata::get(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (entry == nullptr) return missing(key, kExpected<T>);
  T value{};
  if (entry->is_array()) return mismatch(*entry, kExpected<T>);
  const GgufScalar scalar = entry->scalar();
  switch (convert(scalar, value)) {
    case Fit::kYes:
      return value;
    case Fit::kWrongType:
      return mismatch(*entry, kExpected<T>);
    case Fit::kOutOfRange:
      break;
  }
  return Error{ErrorCode::kCorrupt,
               file_ + ": key " + in_quotes(key) + " is " + number_text(scalar) + ", outside " + range_text<T>()};
}

template <class T>
Result<std::vector<T>> GgufMetadata::get_array(std::string_view key) const {
  using Value = std::conditional_t<std::is_same_v<T, uint8_t>, bool, T>;  // uint8_t holds the bools
  return without_bad_alloc(file_, [&]() -> Result<std::vector<T>> {
    const std::string expected = std::string("array of ") + kExpected<Value>;
    const GgufEntry* entry = find(key);
    if (entry == nullptr) return missing(key, expected.c_str());
    if (!entry->is_array() || !convertible<Value>(entry->element)) return mismatch(*entry, expected);
    std::vector<T> out;
    out.reserve(static_cast<size_t>(entry->count));
    const std::byte* p = entry->bytes.data();
    for (uint64_t i = 0; i < entry->count; ++i) {
      GgufScalar scalar;
      if (entry->element == GgufType::kString) {
        const auto length = static_cast<size_t>(load<uint64_t>(p));
        scalar = std::string_view(reinterpret_cast<const char*>(p) + sizeof(uint64_t), length);
        p += sizeof(uint64_t) + length;
      } else {
        scalar = load_gguf_scalar(entry->element, p);
        p += gguf_type_bytes(entry->element);
      }
      Value value{};
      const Fit fit = convert(scalar, value);
      if (fit == Fit::kWrongType) return mismatch(*entry, expected);
      if (fit == Fit::kOutOfRange) {
        return Error{ErrorCode::kCorrupt, file_ + ": key " + in_quotes(key) + " element " + std::to_string(i) + " is " +
                                              number_text(scalar) + ", outside " + range_text<Value>()};
      }
      out.push_back(static_cast<T>(value));
    }
    return out;
  });
}

template <class T>
Result<std::vector<T>> GgufMetadata::get_per_layer(std::string_view key, uint32_t n) const {
  using Value = std::conditional_t<std::is_same_v<T, uint8_t>, bool, T>;
  const GgufEntry* entry = find(key);
  const std::string expected =
      std::string(kExpected<Value>) + " or array of " + std::to_string(n) + " " + kExpected<Value>;
  if (entry == nullptr) return missing(key, expected.c_str());
  if (entry->is_array()) {
    KEDGE_ASSIGN(values, get_array<T>(key));
    if (values.size() != n) {
      return Error{ErrorCode::kCorrupt, file_ + ": key " + in_quotes(key) + " has " + std::to_string(values.size()) +
                                            " elements, expected " + std::to_string(n) + " (one per layer)"};
    }
    return values;
  }
  // The number of layers comes from the file too: without the limit four bytes of it could ask for 16 GB.
  if (n > kMaxGgufTensors) {
    return Error{ErrorCode::kCapacity, file_ + ": key " + in_quotes(key) + ": " + std::to_string(n) +
                                           " layers, the limit is " + std::to_string(kMaxGgufTensors)};
  }
  KEDGE_ASSIGN(value, get<Value>(key));
  return without_bad_alloc(file_, [&]() -> Result<std::vector<T>> { return std::vector<T>(n, static_cast<T>(value)); });
}

Result<uint32_t> GgufMetadata::get_u32(std::string_view key) const { return get<uint32_t>(key); }
Result<int32_t> GgufMetadata::get_i32(std::string_view key) const { return get<int32_t>(key); }
Result<uint64_t> GgufMetadata::get_u64(std::string_view key) const { return get<uint64_t>(key); }
Result<int64_t> GgufMetadata::get_i64(std::string_view key) const { return get<int64_t>(key); }
Result<float> GgufMetadata::get_f32(std::string_view key) const { return get<float>(key); }
Result<double> GgufMetadata::get_f64(std::string_view key) const { return get<double>(key); }
Result<bool> GgufMetadata::get_bool(std::string_view key) const { return get<bool>(key); }
Result<std::string_view> GgufMetadata::get_string(std::string_view key) const { return get<std::string_view>(key); }

Result<uint32_t> GgufMetadata::get_u32_or(std::string_view key, uint32_t fallback) const {
  return has(key) ? get<uint32_t>(key) : Result<uint32_t>(fallback);
}
Result<float> GgufMetadata::get_f32_or(std::string_view key, float fallback) const {
  return has(key) ? get<float>(key) : Result<float>(fallback);
}
Result<bool> GgufMetadata::get_bool_or(std::string_view key, bool fallback) const {
  return has(key) ? get<bool>(key) : Result<bool>(fallback);
}
Result<std::string_view> GgufMetadata::get_string_or(std::string_view key, std::string_view fallback) const {
  return has(key) ? get<std::string_view>(key) : Result<std::string_view>(fallback);
}

Result<std::vector<uint32_t>> GgufMetadata::get_u32s(std::string_view key) const { return get_array<uint32_t>(key); }
Result<std::vector<int32_t>> GgufMetadata::get_i32s(std::string_view key) const { return get_array<int32_t>(key); }
Result<std::vector<float>> GgufMetadata::get_f32s(std::string_view key) const { return get_array<float>(key); }
Result<std::vector<uint8_t>> GgufMetadata::get_bools(std::string_view key) const { return get_array<uint8_t>(key); }
Result<std::vector<std::string_view>> GgufMetadata::get_strings(std::string_view key) const {
  return get_array<std::string_view>(key);
}
Result<std::vector<uint32_t>> GgufMetadata::get_u32_per_layer(std::string_view key, uint32_t n) const {
  return get_per_layer<uint32_t>(key, n);
}
Result<std::vector<uint8_t>> GgufMetadata::get_bool_per_layer(std::string_view key, uint32_t n) const {
  return get_per_layer<uint8_t>(key, n);
}

}  // namespace kedge::weights
