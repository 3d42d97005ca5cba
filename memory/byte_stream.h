// Plain data to a file and back, with a checksum over all of it. Written to a temporary file that takes its name only
// when it is complete and on the disk; read only after the checksum of the whole file was found right.
// Numbers are little-endian as in memory: a file belongs to the kind of machine that wrote it, and says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::memory {

template <class T>
concept PlainData = std::is_trivially_copyable_v<T>;

class ByteWriter {
 public:
  // Errors: those of OutputFile, which makes it a file for its owner only.
  static Result<ByteWriter> create(const std::string& path);
  ByteWriter(ByteWriter&&) noexcept;
  ~ByteWriter();  // without finish(): nothing is left

  void bytes(const void* data, size_t size);
  template <PlainData T>
  void put(const T& value) {
    bytes(&value, sizeof value);
  }
  void text(std::string_view s) {
    put<uint64_t>(s.size());
    bytes(s.data(), s.size());
  }
  template <PlainData T>
  void list(std::span<const T> values) {
    put<uint64_t>(values.size());
    bytes(values.data(), values.size_bytes());
  }
  // Checksum, then OutputFile::commit(). Errors: kIo (the first thing that failed); the old file stays.
  Status finish();

 private:
  struct State;
  explicit ByteWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> s_;
};

class ByteReader {
 public:
  // Reads the file once to verify its checksum, and begins at the start. Errors: kNotFound, kIo, kCorrupt.
  static Result<ByteReader> open(const std::string& path);
  ByteReader(ByteReader&&) noexcept;
  ~ByteReader();

  // Errors are kept: after the first one everything reads as zero and status() has it.
  void bytes(void* out, size_t size);
  template <PlainData T>
  T get() {
    T value;
    bytes(&value, sizeof value);
    return value;
  }
  std::string text(size_t most);
  template <PlainData T>
  std::vector<T> list(size_t most) {
    const size_t n = count(most, sizeof(T));
    std::vector<T> values(n);
    bytes(values.data(), n * sizeof(T));
    return values;
  }
  // A number of things that take at least `each` bytes: checked against `most` and what is left of the file.
  size_t count(size_t most, size_t each);
  void fail(const std::string& what);  // kCorrupt, naming the file
  const Status& status() const;
  bool ok() const { return status().ok(); }
  size_t left() const;  // bytes before the checksum

 private:
  struct State;
  explicit ByteReader(std::unique_ptr<State> state);
  std::unique_ptr<State> s_;
};

}  // namespace kedge::memory
