// The one writer of files: a file appears complete under its name or not at all. What is written has no name, or one of
// its own beside the target, until commit(); nothing but a regular file is ever replaced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kernels/base/result.h"

namespace kedge::base {

struct OutputOptions {
  uint64_t expected_bytes = 0;  // for messages: how far the writing got when the disk was full; 0: not known before
  bool owner_only = false;      // mode 0600 in any case. Else: that of the file it replaces, or what umask leaves
  bool new_only = false;        // commit() refuses when a file of that name has appeared
  bool named = false;           // another library writes the file, by the name temporary(): no descriptor is held
};

// Nothing is there, or a regular file that may be written: not a folder, device, pipe, socket or symbolic link (who
// means what a link points at names that). Errors: kInvalidArgument, kIo; they name the path and what is there.
Status check_target(const std::string& path);

// Move-only; one thread at a time. Without commit() nothing is left, even when the process is killed, where the file
// system has files without names. Errors: those of check_target, and kIo with the path and the bytes written.
class OutputFile {
 public:
  OutputFile() = default;
  OutputFile(OutputFile&& o) noexcept { swap(o); }
  OutputFile& operator=(OutputFile&& o) noexcept {
    swap(o);
    return *this;
  }
  ~OutputFile() { discard(); }

  static Result<OutputFile> create(const std::string& path, const OutputOptions& options = {});

  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
  Status commit();  // the file is on disk, under its name, when this succeeds
  bool is_open() const { return open_; }
  uint64_t written() const { return written_; }
  const std::string& temporary() const {
    return temporary_;
  }  // of `named`: who writes it has closed it before commit()

 private:
  Status open_temporary();
  Status open_named();
  Status set_mode() const;
  Status publish();
  Status give_name();
  Error failed(const char* what, int code) const;
  void discard();
  void swap(OutputFile& o) noexcept;

  std::string path_;       // as the caller gave it
  std::string temporary_;  // empty while it has no name
  OutputOptions options_;
  bool open_ = false;
  int fd_ = -1;
  uint64_t written_ = 0;
};

// A whole file at once.
Status write_file(const std::string& path, std::string_view bytes, OutputOptions options = {});

}  // namespace kedge::base
