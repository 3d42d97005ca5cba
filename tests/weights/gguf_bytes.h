// Helpers of the weights tests: GGUF files written byte by byte (so that they can be wrong in any way), a scratch
// folder, and a check that a message names what it should.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weights/gguf.h"

namespace kedge::weights {

inline constexpr uint32_t kF32 = 0;
inline constexpr uint32_t kQ8_0 = 8;

class GgufBytes {
 public:
  GgufBytes() = default;
  GgufBytes(uint64_t n_tensors, uint64_t n_keys, uint32_t version = 3) {
    raw("GGUF").put(version).put(n_tensors).put(n_keys);
  }
  template <class T>
  GgufBytes& put(T value) {
    const auto* p = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), p, p + sizeof(T));
    return *this;
  }
  GgufBytes& raw(std::string_view text) {
    for (const char c : text) bytes_.push_back(static_cast<std::byte>(c));
    return *this;
  }
  GgufBytes& str(std::string_view text) { return put<uint64_t>(text.size()).raw(text); }
  GgufBytes& key(std::string_view name, GgufType type) { return str(name).put(static_cast<uint32_t>(type)); }
  template <class T>
  GgufBytes& value(std::string_view name, GgufType type, T v) {
    return key(name, type).put(v);
  }
  GgufBytes& text(std::string_view name, std::string_view v) { return key(name, GgufType::kString).str(v); }
  GgufBytes& array(std::string_view name, GgufType element, uint64_t count) {
    return key(name, GgufType::kArray).put(static_cast<uint32_t>(element)).put(count);
  }
  GgufBytes& tensor(std::string_view name, std::initializer_list<uint64_t> dims, uint32_t type, uint64_t offset) {
    str(name).put(static_cast<uint32_t>(dims.size()));
    for (const uint64_t d : dims) put(d);
    return put(type).put(offset);
  }
  GgufBytes& pad(size_t alignment = 32) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  GgufBytes& zeros(size_t n) {
    bytes_.resize(bytes_.size() + n);
    return *this;
  }
  std::vector<std::byte>& bytes() { return bytes_; }
  size_t size() const { return bytes_.size(); }
  Result<GgufFile> parse() const { return parse_gguf(bytes_, "m.gguf"); }

 private:
  std::vector<std::byte> bytes_;
};

// The result is an error of that code whose message has every one of `parts`.
template <class R>
void expect_error(const R& result, ErrorCode code, std::initializer_list<std::string_view> parts) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(static_cast<int>(result.error().code), static_cast<int>(code)) << result.error().message;
  for (const std::string_view part : parts) {
    EXPECT_NE(result.error().message.find(part), std::string::npos)
        << "no \"" << part << "\" in: " << result.error().message;
  }
}

class ScratchDir {
 public:
  ScratchDir() {
    std::string name = ::testing::TempDir() + "kedge-weights-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  ~ScratchDir() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }
  size_t n_files() const {
    size_t n = 0;
    for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator(path_)) ++n;
    return n;
  }
  std::string save(std::string_view name, std::span<const std::byte> bytes) const {
    std::ofstream out(file(name), std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return file(name);
  }
  std::string save(std::string_view name, std::string_view text) const {
    return save(name, std::as_bytes(std::span(text)));
  }

 private:
  std::string path_;
};

}  // namespace kedge::weights
