// Files that are read: regular ones only. A pipe, a device or a folder under a file's name is an error at once, where a
// plain open() would wait for a writer.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "kernels/base/result.h"

namespace kedge::base {

// Which file, and in which state: another one when anybody has written to it, renamed it or put one in its place. The
// time of the last change is the system's own; nobody sets it.
struct FileStamp {
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modified = 0;  // nanoseconds since 1970
  int64_t changed = 0;   // likewise
  bool operator==(const FileStamp&) const = default;
};

// An open file; move-only.
class InputFile {
 public:
  // Errors: kNotFound, kInvalidArgument (not a regular file, or a path with a NUL), kIo, kCapacity.
  static Result<InputFile> open(const std::string& path);
  InputFile(InputFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), stamp_(other.stamp_) {}
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  int fd() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }   // the caller closes it
  uint64_t size() const { return stamp_.size; }      // when it was opened
  const FileStamp& stamp() const { return stamp_; }  // likewise

 private:
  explicit InputFile(int fd) : fd_(fd) {}
  int fd_;
  FileStamp stamp_;
};

// The size of the file at `path`, with the errors of InputFile::open.
Result<uint64_t> input_file_size(const std::string& path);

// What is there now, with the errors of InputFile::open.
Result<FileStamp> file_stamp(const std::string& path);

// The whole file. Errors: those of InputFile::open, kCapacity (more than `max_bytes`).
Result<std::string> read_input_file(const std::string& path, uint64_t max_bytes = uint64_t{1} << 30);

}  // namespace kedge::base
