#include "kernels/base/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace kedge::base {

namespace {

Error system_error(const std::string& path, const char* what, int code) {
  const ErrorCode kind = code == ENOENT || code == ENOTDIR ? ErrorCode::kNotFound
                         : code == ENOMEM                  ? ErrorCode::kCapacity
                                                           : ErrorCode::kIo;
  return Error{kind, path + ": " + what + ": " + std::generic_category().message(code)};
}

int64_t nanoseconds(const struct timespec& t) { return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

Result<FileStamp> stamp_of(const std::string& path, const struct stat& info) {
  const char* kind = S_ISDIR(info.st_mode)    ? "a directory"
                     : S_ISFIFO(info.st_mode) ? "a pipe"
                     : S_ISSOCK(info.st_mode) ? "a socket"
                     : S_ISREG(info.st_mode)  ? nullptr
                                              : "a device";
  if (kind != nullptr) return Error{ErrorCode::kInvalidArgument, path + ": is " + kind + ", not a file"};
  return FileStamp{info.st_ino, static_cast<uint64_t>(info.st_size), nanoseconds(info.st_mtim),
                   nanoseconds(info.st_ctim)};
}

}  // namespace

Result<InputFile> InputFile::open(const std::string& path) {
  if (const size_t nul = path.find('\0'); nul != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument,
                 "\"" + path.substr(0, nul) + "\\0...\": a path cannot contain a NUL character"};
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return system_error(path, "cannot open", errno);
  InputFile file(fd);
  struct stat info = {};
  if (::fstat(fd, &info) != 0) return system_error(path, "cannot stat", errno);
  KEDGE_ASSIGN(stamp, stamp_of(path, info));
  file.stamp_ = stamp;
  return file;
}

InputFile::~InputFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<FileStamp> file_stamp(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) return system_error(path, "cannot open", errno);
  return stamp_of(path, info);
}

Result<uint64_t> input_file_size(const std::string& path) {
  KEDGE_ASSIGN(stamp, file_stamp(path));
  return stamp.size;
}

Result<std::string> read_input_file(const std::string& path, uint64_t max_bytes) {
  KEDGE_ASSIGN(file, InputFile::open(path));
  std::string text;
  for (uint64_t want = file.size();;) {
    if (want > max_bytes) {
      return Error{ErrorCode::kCapacity, path + ": has more than " + std::to_string(max_bytes) + " bytes"};
    }
    const size_t before = text.size();
    text.resize(want + 1);  // one more, so that the end shows
    const ssize_t n = ::read(file.fd(), text.data() + before, text.size() - before);
    text.resize(before + static_cast<size_t>(n > 0 ? n : 0));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error(path, "cannot read", errno);
    if (n == 0) return text;
    if (text.size() > want) want = text.size() + (uint64_t{1} << 16);  // it grows while it is read
  }
}

}  // namespace kedge::base
