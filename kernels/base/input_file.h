// Files that are read: regular ones only. A pipe, a device or a folder under a file's name is an error at once, where a
// plain open() would wait for a writer.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "kernels/base/result.h"

namespace kedge::base {

// An open file; move-only.
class InputFile {
 public:
  // Errors: kNotFound, kInvalidArgument (not a regular file, or a path with a NUL), kIo, kCapacity.
  static Result<InputFile> open(const std::string& path);
  InputFile(InputFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  int fd() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }  // the caller closes it
  uint64_t size() const { return size_; }           // when it was opened

 private:
  InputFile(int fd, uint64_t size) : fd_(fd), size_(size) {}
  int fd_;
  uint64_t size_;
};

// The size of the file at `path`, with the errors of InputFile::open.
Result<uint64_t> input_file_size(const std::string& path);

// The whole file. Errors: those of InputFile::open, kCapacity (more than `max_bytes`).
Result<std::string> read_input_file(const std::string& path, uint64_t max_bytes = uint64_t{1} << 30);

}  // namespace kedge::base
