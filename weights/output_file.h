// A file that appears complete or not at all: written under a temporary name beside its target, synced, then renamed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "kernels/base/result.h"

namespace kedge {

// Owns the temporary file and removes it unless commit() succeeded. Move-only; one thread at a time. All errors are
// kIo, or kInvalidArgument when the target exists and is not a regular file; they name the path and the bytes written.
class OutputFile {
 public:
  OutputFile() = default;
  OutputFile(OutputFile&& o) noexcept;
  OutputFile& operator=(OutputFile&& o) noexcept;
  ~OutputFile();

  // `expected_bytes` is for messages: how far the writing got when the disk was full.
  static Result<OutputFile> create(const std::string& path, uint64_t expected_bytes);

  Status write(std::span<const std::byte> bytes);
  Status commit();  // the file is on disk, under its name, when this succeeds
  bool is_open() const { return fd_ >= 0; }
  uint64_t written() const { return written_; }

 private:
  Error failed(const char* what, int code) const;
  void discard();

  std::string path_;    // as the caller gave it
  std::string target_;  // with symbolic links resolved, so that links stay links
  std::string temporary_;
  int fd_ = -1;
  uint64_t written_ = 0;
  uint64_t expected_ = 0;
};

}  // namespace kedge
