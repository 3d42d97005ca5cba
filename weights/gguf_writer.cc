#include "weights/gguf_writer.h"

#include <algorithm>
#include <cstring>

#include "weights/gguf_internal.h"
#include "weights/name_index.h"

namespace kedge::weights {

namespace {

constexpr std::string_view kAlignmentKey = "general.alignment";

void append(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
template <class T>
void append_value(std::vector<std::byte>& out, T value) {
  append(out, std::as_bytes(std::span(&value, 1)));
}
void append_string(std::vector<std::byte>& out, std::string_view text) {
  append_value(out, static_cast<uint64_t>(text.size()));
  append(out, std::as_bytes(std::span(text)));
}

}  // namespace

void GgufWriter::problem(const std::string& what) {
  if (problem_.ok()) problem_ = Error{ErrorCode::kInvalidArgument, what};
}

// The add functions return nothing, so running out of memory is kept like any other problem.
template <class F>
void GgufWriter::guarded(F&& body) {
  const Status done = without_bad_alloc("metadata", [&]() -> Status {
    body();
    return {};
  });
  if (!done.ok() && problem_.ok()) problem_ = done;
}

void GgufWriter::set_alignment(uint64_t alignment) {
  if (const std::string wrong = alignment_problem(alignment); !wrong.empty()) {
    problem("alignment " + wrong);
    return;
  }
  alignment_ = alignment;
}

bool GgufWriter::add_key(std::string_view key) {
  std::string wrong = name_problem(key, kMaxGgufKeyBytes);
  if (key == kAlignmentKey) wrong = "is written by the writer itself (set_alignment)";
  if (!wrong.empty()) {
    problem("key " + in_quotes(key) + " " + wrong);
    return false;
  }
  keys_.emplace_back(key);
  append_string(metadata_, key);
  return true;
}

bool GgufWriter::check_string(std::string_view key, std::string_view value) {
  if (value.size() > kMaxGgufStringBytes) {
    problem("key " + in_quotes(key) + ": a string has " + std::to_string(value.size()) + " bytes, the limit is " +
            std::to_string(kMaxGgufStringBytes));
    return false;
  }
  if (const auto bad = find_invalid_utf8(value)) {
    problem("key " + in_quotes(key) + ": a string is not valid UTF-8 (byte " + std::to_string(*bad) + ")");
    return false;
  }
  return true;
}

void GgufWriter::add_raw(std::string_view key, GgufType type, std::span<const std::byte> bytes) {
  guarded([&] {
    if (!add_key(key)) return;
    append_value(metadata_, static_cast<uint32_t>(type));
    append(metadata_, bytes);
  });
}

void GgufWriter::add_raw_array(std::string_view key, GgufType type, uint64_t count, std::span<const std::byte> bytes) {
  guarded([&] {
    if (!add_key(key)) return;
    append_value(metadata_, static_cast<uint32_t>(GgufType::kArray));
    append_value(metadata_, static_cast<uint32_t>(type));
    append_value(metadata_, count);
    append(metadata_, bytes);
  });
}

void GgufWriter::add_string(std::string_view key, std::string_view value) {
  guarded([&] {
    if (!check_string(key, value) || !add_key(key)) return;
    append_value(metadata_, static_cast<uint32_t>(GgufType::kString));
    append_string(metadata_, value);
  });
}

void GgufWriter::add_bools(std::string_view key, std::span<const uint8_t> values) {
  for (const uint8_t v : values) {
    if (v > 1) return problem("key " + in_quotes(key) + ": a bool is " + std::to_string(v) + ", must be 0 or 1");
  }
  add_raw_array(key, GgufType::kBool, values.size(), std::as_bytes(values));
}

template <class Strings>
void GgufWriter::add_string_array(std::string_view key, const Strings& values) {
  guarded([&] {
    std::vector<std::byte> encoded;
    for (const auto& text : values) {
      if (!check_string(key, text)) return;
      append_string(encoded, text);
    }
    add_raw_array(key, GgufType::kString, values.size(), encoded);
  });
}

void GgufWriter::add_strings(std::string_view key, std::span<const std::string_view> values) {
  add_string_array(key, values);
}
void GgufWriter::add_strings(std::string_view key, std::span<const std::string> values) {
  add_string_array(key, values);
}

void GgufWriter::copy(const GgufEntry& entry) {
  if (entry.key == kAlignmentKey) {
    const GgufScalar value = entry.scalar();
    const uint64_t* alignment = std::get_if<uint64_t>(&value);
    set_alignment(alignment != nullptr ? *alignment : 0);
  } else if (entry.is_array()) {
    add_raw_array(entry.key, entry.element, entry.count, entry.bytes);
  } else if (entry.type == GgufType::kString) {
    add_string(entry.key, std::get<std::string_view>(entry.scalar()));
  } else {
    add_raw(entry.key, entry.type, entry.bytes);
  }
}

void GgufWriter::add_tensor(std::string_view name, const QuantFormat& type, std::span<const int64_t> dims) {
  guarded([&] {
    const std::string what = "tensor " + in_quotes(name);
    if (const std::string wrong = name_problem(name, kMaxGgufTensorNameBytes); !wrong.empty()) {
      return problem(what + " " + wrong);
    }
    Tensor t;
    t.name = std::string(name);
    t.info.type = &type;
    if (dims.size() > t.info.dims.size()) {
      return problem(what + " has " + std::to_string(dims.size()) + " dimensions, the limit is " +
                     std::to_string(kMaxGgufDims));
    }
    t.info.n_dims = static_cast<int>(dims.size());
    for (size_t i = 0; i < dims.size(); ++i) {
      if (dims[i] < 1) {
        return problem(what + ": dimension " + std::to_string(i) + " is " + std::to_string(dims[i]) +
                       ", must be at least 1");
      }
      t.info.dims[i] = dims[i];
    }
    const auto bytes = gguf_internal::tensor_bytes(t.info);
    if (!bytes.ok()) return problem(what + ": " + bytes.error().message);
    t.info.bytes = *bytes;
    tensors_.push_back(std::move(t));
  });
}

Status GgufWriter::check() const {
  KEDGE_TRY(problem_);
  const auto wrong = [](const std::string& what) { return Error{ErrorCode::kInvalidArgument, what}; };
  if (keys_.size() >= kMaxGgufKeys) {  // room for general.alignment
    return wrong("key count is " + std::to_string(keys_.size()) + ", the limit is " + std::to_string(kMaxGgufKeys - 1));
  }
  if (tensors_.size() > kMaxGgufTensors) {
    return wrong("tensor count is " + std::to_string(tensors_.size()) + ", the limit is " +
                 std::to_string(kMaxGgufTensors));
  }
  const auto key_at = [&](size_t i) { return std::string_view(keys_[i]); };
  if (const auto i = NameIndex(keys_.size(), key_at).duplicate()) {
    return wrong("key " + in_quotes(keys_[*i]) + " was added more than once");
  }
  const auto tensor_at = [&](size_t i) { return std::string_view(tensors_[i].name); };
  if (const auto i = NameIndex(tensors_.size(), tensor_at).duplicate()) {
    return wrong("tensor " + in_quotes(tensors_[*i].name) + " was added more than once");
  }
  uint64_t end = 0;
  for (const Tensor& t : tensors_) {
    const auto next = checked_add(end, t.info.bytes);
    if (!next || *next > UINT64_MAX / 2) return wrong("tensor " + in_quotes(t.name) + ": the file's size overflows");
    end = *checked_align(*next, alignment_);
  }
  return {};
}

Result<std::vector<std::byte>> GgufWriter::header() const {
  return without_bad_alloc(path_, [&]() -> Result<std::vector<std::byte>> {
    KEDGE_TRY(check());
    const bool with_alignment = alignment_ != kDefaultGgufAlignment;
    std::vector<std::byte> out;
    append(out, std::as_bytes(std::span(kGgufMagic)));
    append_value(out, uint32_t{3});
    append_value(out, static_cast<uint64_t>(tensors_.size()));
    append_value(out, static_cast<uint64_t>(keys_.size() + (with_alignment ? 1 : 0)));
    append(out, metadata_);
    if (with_alignment) {
      append_string(out, kAlignmentKey);
      append_value(out, static_cast<uint32_t>(GgufType::kUint32));
      append_value(out, static_cast<uint32_t>(alignment_));
    }
    uint64_t offset = 0;
    for (const Tensor& t : tensors_) {
      append_string(out, t.name);
      append_value(out, static_cast<uint32_t>(t.info.n_dims));
      for (int i = 0; i < t.info.n_dims; ++i) append_value(out, t.info.dims[static_cast<size_t>(i)]);
      append_value(out, t.info.type->gguf_id);
      append_value(out, offset);
      offset = *checked_align(offset + t.info.bytes, alignment_);
    }
    out.resize(static_cast<size_t>(*checked_align(out.size(), alignment_)));
    return out;
  });
}

uint64_t GgufWriter::data_end() const {
  uint64_t end = 0;
  for (const Tensor& t : tensors_) end = *checked_align(end + t.info.bytes, alignment_);
  return end;
}

uint64_t GgufWriter::total_bytes() const {
  const auto head = header();
  return head.ok() ? head->size() + data_end() : 0;
}

Status GgufWriter::begin(const std::string& path, OutputOptions options) {
  if (out_.is_open()) return Error{ErrorCode::kInvalidArgument, path + ": a file is being written already"};
  path_ = path;
  const auto head = header();
  if (!head.ok()) return Error{head.error().code, path + ": " + head.error().message};
  options.expected_bytes = head->size() + data_end();
  KEDGE_ASSIGN(out, without_bad_alloc(path, [&] { return OutputFile::create(path, options); }));
  out_ = std::move(out);
  current_ = 0;
  current_done_ = 0;
  return out_.write(*head);
}

Status GgufWriter::write_padding() {
  static constexpr std::byte kZeros[4096] = {};
  uint64_t left = *checked_align(out_.written(), alignment_) - out_.written();
  while (left > 0) {
    const uint64_t n = std::min<uint64_t>(left, sizeof(kZeros));
    KEDGE_TRY(out_.write(std::span(kZeros, static_cast<size_t>(n))));
    left -= n;
  }
  return {};
}

Status GgufWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  if (!out_.is_open()) return Error{ErrorCode::kInvalidArgument, "tensor " + in_quotes(name) + ": no file was begun"};
  if (current_ >= tensors_.size() || tensors_[current_].name != name) {
    const std::string expected = current_ < tensors_.size() ? in_quotes(tensors_[current_].name) : "the end";
    return Error{ErrorCode::kInvalidArgument,
                 path_ + ": data of tensor " + in_quotes(name) + " was given where " + expected + " is next"};
  }
  const uint64_t want = tensors_[current_].info.bytes;
  if (bytes.size() > want - current_done_) {
    return Error{ErrorCode::kInvalidArgument, path_ + ": tensor " + in_quotes(name) + " takes " + std::to_string(want) +
                                                  " bytes, " + std::to_string(current_done_) + " are written and " +
                                                  std::to_string(bytes.size()) + " more were given"};
  }
  KEDGE_TRY(out_.write(bytes));
  current_done_ += bytes.size();
  if (current_done_ < want) return {};
  ++current_;
  current_done_ = 0;
  return write_padding();
}

Status GgufWriter::finish() {
  if (!out_.is_open()) return Error{ErrorCode::kInvalidArgument, "no file was begun"};
  if (current_ < tensors_.size()) {
    return Error{ErrorCode::kInvalidArgument, path_ + ": tensor " + in_quotes(tensors_[current_].name) + " has " +
                                                  std::to_string(current_done_) + " of its " +
                                                  std::to_string(tensors_[current_].info.bytes) + " bytes"};
  }
  return out_.commit();
}

}  // namespace kedge::weights
