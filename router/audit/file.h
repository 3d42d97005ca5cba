// A file descriptor with an owner, for the two files beside the database.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "kernels/base/result.h"

namespace kedge::router::audit {

class File {
 public:
  // A regular file and no symbolic link; never the database, which is SQLite's alone to open. Flags of open(2).
  // Errors: kNotFound, kIo.
  static Result<File> open(const std::string& path, int flags, unsigned mode = 0);
  File(File&& other) noexcept;
  File& operator=(File&&) = delete;
  ~File();

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  Result<uint64_t> size() const;
  Result<std::string> read(uint64_t from, size_t n) const;  // fewer bytes only at the end of the file
  // All bytes at the end, or kIo and the file as long as before. One writer at a time.
  Status append(std::string_view bytes) const;
  Status truncate(uint64_t size) const;
  Status sync() const;
  // Makes room for n bytes more where the file system can, so that append() does not meet a full disk.
  Status reserve(size_t n) const;

  // A lock among processes and owners of the file, fair, waiting at most timeout_ms. An exclusive one needs a file that
  // is open for writing. Errors: kIo.
  Status lock(bool exclusive, int timeout_ms) const;
  void unlock() const noexcept;

 private:
  using Clock = std::chrono::steady_clock;
  File(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Status lock_byte(int64_t byte, short type, Clock::time_point until) const;
  Error error(const char* what) const;

  int fd_;
  std::string path_;
};

// Unlocks at the end of the scope.
class FileLock {
 public:
  explicit FileLock(const File& file) : file_(&file) {}
  ~FileLock() { file_->unlock(); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  const File* file_;
};

Status sync_folder_of(const std::string& path);  // so that a new name outlives a power cut

}  // namespace kedge::router::audit
