// The walk over a header: fixed part, metadata entries, tensor table. What the table then has to satisfy as a whole is
// in gguf_extents.cc.
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "weights/gguf.h"
#include "weights/gguf_internal.h"

namespace kedge::weights {

static_assert(std::endian::native == std::endian::little, "values are read as they lie in the file");

namespace {

// The least bytes an entry can take: counts are checked against them before anything is allocated.
constexpr uint64_t kMinEntryBytes = 8 + 1 + 4 + 1;           // key length, key, type, value
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 0 + 4 + 8;  // name length, name, n_dims, no dims, type, offset
constexpr uint64_t kMinStringBytes = 8;
constexpr uint64_t kMinArrayBytes = 4 + 8;

class HeaderParser {
 public:
  HeaderParser(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}
  Result<GgufFile> run();

 private:
  uint64_t remaining() const { return bytes_.size() - pos_; }
  Error corrupt(const std::string& what) const { return Error{ErrorCode::kCorrupt, file_ + ": " + what}; }
  Error over_limit(const std::string& what, uint64_t value, uint64_t limit) const {
    return Error{ErrorCode::kCapacity,
                 file_ + ": " + what + " is " + std::to_string(value) + ", the limit is " + std::to_string(limit)};
  }
  Error truncated(const std::string& what, uint64_t needed) const {
    return corrupt("truncated: " + what + " at byte " + std::to_string(pos_) + " needs " + std::to_string(needed) +
                   " bytes, the file has " + std::to_string(bytes_.size()) + " (" + std::to_string(remaining()) +
                   " left)");
  }
  template <class T, class What>
  Result<T> read(What&& what);
  template <class What>
  Result<std::string_view> read_string(What&& what, uint64_t limit);

  Status check_magic() const;
  Status parse_fixed(GgufFile& out);
  Result<GgufEntry> parse_entry(uint64_t index);
  Status skip_elements(std::string_view key, GgufType type, uint64_t count, int depth);
  Status parse_array(GgufEntry& entry);
  Status parse_alignment(GgufFile& out) const;
  Result<TensorInfo> parse_tensor(uint64_t index);

  std::span<const std::byte> bytes_;
  const std::string& file_;
  uint64_t pos_ = 0;
  uint64_t n_tensors_ = 0;
  uint64_t n_keys_ = 0;
};

// `what` is called for its text only when there is an error.
template <class T, class What>
Result<T> HeaderParser::read(What&& what) {
  if (remaining() < sizeof(T)) return truncated(what(), sizeof(T));
  T value;
  std::memcpy(&value, bytes_.data() + pos_, sizeof(T));
  pos_ += sizeof(T);
  return value;
}

template <class What>
Result<std::string_view> HeaderParser::read_string(What&& what, uint64_t limit) {
  KEDGE_ASSIGN(length, read<uint64_t>([&] { return what() + " (length)"; }));
  if (length > limit) return over_limit(what() + ": length in bytes", length, limit);
  if (length > remaining()) return truncated(what(), length);
  const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + pos_), static_cast<size_t>(length));
  pos_ += length;
  return text;
}

Status HeaderParser::check_magic() const {
  const std::string_view head(reinterpret_cast<const char*>(bytes_.data()), std::min<size_t>(bytes_.size(), 64));
  if (head.starts_with(std::string_view(kGgufMagic, sizeof(kGgufMagic)))) return {};
  std::string hint = "it begins with " + in_quotes(head.substr(0, 16));
  if (head.starts_with("version https://git-lfs")) {
    hint = "it is a Git LFS pointer; fetch the real file with 'git lfs pull'";
  } else if (head.starts_with("lmgg") || head.starts_with("tjgg") || head.starts_with("fmgg")) {
    hint = "it is in a GGML format older than GGUF; convert it to GGUF";
  } else if (head.starts_with(std::string_view("PK\x03\x04", 4))) {
    hint = "it is a ZIP archive, such as a PyTorch checkpoint; convert it to GGUF";
  } else if (head.size() > 9 && head.substr(8, 2) == "{\"") {
    hint = "it looks like a safetensors file; convert it to GGUF";
  } else if (head.size() < sizeof(kGgufMagic)) {
    hint = "it has only " + std::to_string(head.size()) + " bytes";
  }
  return Error{ErrorCode::kInvalidArgument, file_ + ": not a GGUF file: " + hint};
}

Status HeaderParser::parse_fixed(GgufFile& out) {
  KEDGE_TRY(check_magic());
  pos_ = sizeof(kGgufMagic);
  KEDGE_ASSIGN(version, read<uint32_t>([] { return std::string("the version"); }));
  if (version != 0 && (version & 0xffffu) == 0) {
    return Error{ErrorCode::kUnsupported, file_ + ": is a big-endian GGUF file; convert it to little-endian"};
  }
  if (version != 2 && version != 3) {
    return Error{ErrorCode::kUnsupported,
                 file_ + ": GGUF version is " + std::to_string(version) + ", supported are 2 and 3"};
  }
  out.version = version;
  KEDGE_ASSIGN(n_tensors, read<uint64_t>([] { return std::string("the tensor count"); }));
  KEDGE_ASSIGN(n_keys, read<uint64_t>([] { return std::string("the key count"); }));
  if (n_tensors > kMaxGgufTensors) return over_limit("tensor count", n_tensors, kMaxGgufTensors);
  if (n_keys > kMaxGgufKeys) return over_limit("key count", n_keys, kMaxGgufKeys);
  const uint64_t least = n_keys * kMinEntryBytes + n_tensors * kMinTensorBytes;  // cannot overflow after the limits
  if (least > remaining()) {
    return truncated(std::to_string(n_keys) + " keys and " + std::to_string(n_tensors) + " tensors", least);
  }
  n_tensors_ = n_tensors;
  n_keys_ = n_keys;
  return {};
}

Result<GgufEntry> HeaderParser::parse_entry(uint64_t index) {
  const auto nth = [&] { return "the name of key " + std::to_string(index); };
  GgufEntry entry;
  KEDGE_ASSIGN(key, read_string(nth, kMaxGgufKeyBytes));
  if (const std::string problem = name_problem(key, kMaxGgufKeyBytes); !problem.empty()) {
    return corrupt(nth() + ", " + in_quotes(key) + ", " + problem);
  }
  entry.key = key;
  const auto what = [&] { return "key " + in_quotes(key); };
  KEDGE_ASSIGN(type, read<uint32_t>([&] { return what() + " (type)"; }));
  if (type >= kGgufTypeCount) {
    return corrupt(what() + " has value type " + std::to_string(type) + ", the largest is " +
                   std::to_string(kGgufTypeCount - 1));
  }
  entry.type = static_cast<GgufType>(type);
  entry.element = entry.type;
  if (entry.type == GgufType::kArray) {
    KEDGE_TRY(parse_array(entry));
    return entry;
  }
  if (entry.type == GgufType::kString) {
    KEDGE_ASSIGN(text, read_string(what, kMaxGgufStringBytes));
    if (const auto bad = find_invalid_utf8(text)) {
      return corrupt(what() + ": the string is not valid UTF-8 (byte " + std::to_string(*bad) + ")");
    }
    entry.bytes = std::as_bytes(std::span(text));
    return entry;
  }
  const uint64_t start = pos_;
  KEDGE_TRY(skip_elements(key, entry.type, 1, 0));
  entry.bytes = bytes_.subspan(start, pos_ - start);
  return entry;
}

Status HeaderParser::parse_array(GgufEntry& entry) {
  const auto what = [&] { return "key " + in_quotes(entry.key); };
  KEDGE_ASSIGN(element, read<uint32_t>([&] { return what() + " (element type)"; }));
  KEDGE_ASSIGN(count, read<uint64_t>([&] { return what() + " (element count)"; }));
  if (element >= kGgufTypeCount) {
    return corrupt(what() + " has element type " + std::to_string(element) + ", the largest is " +
                   std::to_string(kGgufTypeCount - 1));
  }
  entry.element = static_cast<GgufType>(element);
  entry.count = count;
  const uint64_t start = pos_;
  KEDGE_TRY(skip_elements(entry.key, entry.element, count, 1));
  entry.bytes = bytes_.subspan(start, pos_ - start);
  return {};
}

// Checks `count` values of `type` and moves past them. `depth` counts the arrays around them.
Status HeaderParser::skip_elements(std::string_view key, GgufType type, uint64_t count, int depth) {
  const auto what = [&] { return "key " + in_quotes(key); };
  if (depth > kMaxGgufArrayDepth) {
    return over_limit(what() + ": depth of nested arrays", static_cast<uint64_t>(depth), kMaxGgufArrayDepth);
  }
  const uint64_t fixed = gguf_type_bytes(type);
  const uint64_t least = fixed != 0 ? fixed : type == GgufType::kString ? kMinStringBytes : kMinArrayBytes;
  const auto needed = checked_mul(count, least);
  if (!needed || *needed > remaining()) {
    return corrupt("truncated: " + what() + " at byte " + std::to_string(pos_) + " has " + std::to_string(count) +
                   " elements of at least " + std::to_string(least) + " bytes, the file has " +
                   std::to_string(remaining()) + " bytes left of " + std::to_string(bytes_.size()));
  }
  if (fixed != 0) {
    for (uint64_t i = 0; type == GgufType::kBool && i < count; ++i) {
      const auto value = static_cast<unsigned>(bytes_[pos_ + i]);
      if (value > 1) return corrupt(what() + ": a bool is " + std::to_string(value) + ", must be 0 or 1");
    }
    pos_ += *needed;
    return {};
  }
  for (uint64_t i = 0; i < count; ++i) {
    const auto nth = [&] { return what() + " element " + std::to_string(i); };
    if (type == GgufType::kString) {
      KEDGE_ASSIGN(text, read_string(nth, kMaxGgufStringBytes));
      if (const auto bad = find_invalid_utf8(text)) {
        return corrupt(nth() + ": the string is not valid UTF-8 (byte " + std::to_string(*bad) + ")");
      }
      continue;
    }
    KEDGE_ASSIGN(inner, read<uint32_t>([&] { return nth() + " (element type)"; }));
    KEDGE_ASSIGN(inner_count, read<uint64_t>([&] { return nth() + " (element count)"; }));
    if (inner >= kGgufTypeCount) {
      return corrupt(nth() + " has element type " + std::to_string(inner) + ", the largest is " +
                     std::to_string(kGgufTypeCount - 1));
    }
    KEDGE_TRY(skip_elements(key, static_cast<GgufType>(inner), inner_count, depth + 1));
  }
  return {};
}

Status HeaderParser::parse_alignment(GgufFile& out) const {
  static constexpr std::string_view kKey = "general.alignment";
  if (!out.metadata.has(kKey)) return {};
  KEDGE_ASSIGN(alignment, out.metadata.get_u32(kKey));
  if (const std::string problem = alignment_problem(alignment); !problem.empty()) {
    return corrupt("key " + in_quotes(kKey) + " " + problem);
  }
  out.alignment = alignment;
  return {};
}

Result<TensorInfo> HeaderParser::parse_tensor(uint64_t index) {
  const auto nth = [&] { return "the name of tensor " + std::to_string(index); };
  TensorInfo t;
  KEDGE_ASSIGN(name, read_string(nth, kMaxGgufTensorNameBytes));
  if (const std::string problem = name_problem(name, kMaxGgufTensorNameBytes); !problem.empty()) {
    return corrupt(nth() + ", " + in_quotes(name) + ", " + problem);
  }
  t.name = name;
  const auto what = [&] { return "tensor " + in_quotes(name); };
  KEDGE_ASSIGN(n_dims, read<uint32_t>([&] { return what() + " (number of dimensions)"; }));
  if (n_dims > kMaxGgufDims) return over_limit(what() + ": number of dimensions", n_dims, kMaxGgufDims);
  t.n_dims = static_cast<int>(n_dims);
  for (uint32_t i = 0; i < n_dims; ++i) {
    KEDGE_ASSIGN(dim, read<uint64_t>([&] { return what() + " (dimension " + std::to_string(i) + ")"; }));
    if (dim < 1 || dim > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return corrupt(what() + ": dimension " + std::to_string(i) + " is " + std::to_string(dim) +
                     ", must be from 1 to 9223372036854775807");
    }
    t.dims[i] = static_cast<int64_t>(dim);
  }
  KEDGE_ASSIGN(type, read<uint32_t>([&] { return what() + " (type)"; }));
  t.type = find_quant(type);
  if (t.type == nullptr) {
    return Error{ErrorCode::kUnsupported, file_ + ": " + what() + " has type " + gguf_tensor_type_name(type) +
                                              " (number " + std::to_string(type) + "), which Kedge does not support"};
  }
  KEDGE_ASSIGN(offset, read<uint64_t>([&] { return what() + " (offset)"; }));
  t.offset = offset;
  const auto bytes = gguf_internal::tensor_bytes(t);
  if (!bytes.ok()) return Error{bytes.error().code, file_ + ": " + what() + ": " + bytes.error().message};
  t.bytes = *bytes;
  return t;
}

Result<GgufFile> HeaderParser::run() {
  GgufFile out;
  KEDGE_TRY(parse_fixed(out));
  std::vector<GgufEntry> entries;
  entries.reserve(static_cast<size_t>(n_keys_));
  for (uint64_t i = 0; i < n_keys_; ++i) {
    KEDGE_ASSIGN(entry, parse_entry(i));
    entries.push_back(entry);
  }
  KEDGE_ASSIGN(metadata, GgufMetadata::make(file_, std::move(entries)));
  out.metadata = std::move(metadata);
  KEDGE_TRY(parse_alignment(out));
  out.tensors.reserve(static_cast<size_t>(n_tensors_));
  for (uint64_t i = 0; i < n_tensors_; ++i) {
    KEDGE_ASSIGN(tensor, parse_tensor(i));
    out.tensors.push_back(tensor);
  }
  const auto data_offset = checked_align(pos_, out.alignment);
  if (!data_offset) return corrupt("the header ends at byte " + std::to_string(pos_) + ", which cannot be aligned");
  out.data_offset = *data_offset;
  KEDGE_TRY(gguf_internal::place_tensors(out, bytes_.size(), file_));
  return out;
}

}  // namespace

Result<GgufFile> parse_gguf(std::span<const std::byte> bytes, const std::string& file) {
  return without_bad_alloc(file, [&] { return HeaderParser(bytes, file).run(); });
}

}  // namespace kedge::weights
