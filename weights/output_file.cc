#include "weights/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "weights/gguf_format.h"

namespace kedge {

namespace {

constexpr size_t kMaxWrite = size_t{256} << 20;  // Linux writes at most 2 GB at once
constexpr int kMaxAttempts = 100;

std::string resolve(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;  // does not exist yet
  std::string out = real;
  std::free(real);
  return out;
}

}  // namespace

OutputFile::OutputFile(OutputFile&& o) noexcept
    : path_(std::move(o.path_)),
      target_(std::move(o.target_)),
      temporary_(std::move(o.temporary_)),
      fd_(std::exchange(o.fd_, -1)),
      written_(o.written_),
      expected_(o.expected_) {}

OutputFile& OutputFile::operator=(OutputFile&& o) noexcept {
  std::swap(path_, o.path_);
  std::swap(target_, o.target_);
  std::swap(temporary_, o.temporary_);
  std::swap(fd_, o.fd_);
  std::swap(written_, o.written_);
  std::swap(expected_, o.expected_);
  return *this;
}

OutputFile::~OutputFile() { discard(); }

void OutputFile::discard() {
  if (fd_ < 0) return;
  ::close(fd_);
  fd_ = -1;
  ::unlink(temporary_.c_str());
}

Error OutputFile::failed(const char* what, int code) const {
  return Error{ErrorCode::kIo, path_ + ": " + what + " after " + std::to_string(written_) + " of " +
                                   std::to_string(expected_) + " bytes: " + std::generic_category().message(code)};
}

Result<OutputFile> OutputFile::create(const std::string& path, uint64_t expected_bytes) {
  return without_bad_alloc(path, [&]() -> Result<OutputFile> {
    if (path.empty() || path.find('\0') != std::string::npos) {
      return Error{ErrorCode::kInvalidArgument, in_quotes(path) + ": is not a path a file can have"};
    }
    OutputFile out;
    out.path_ = path;
    out.target_ = resolve(path);
    out.expected_ = expected_bytes;
    struct stat info = {};
    if (::stat(out.target_.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
      return Error{ErrorCode::kInvalidArgument, path + ": exists and is not a file (" +
                                                    (S_ISDIR(info.st_mode) ? "a directory" : "a device or pipe") +
                                                    "), it is not replaced"};
    }
    static std::atomic<unsigned> counter{0};
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
      out.temporary_ = out.target_ + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
      out.fd_ = ::open(out.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (out.fd_ >= 0) return out;
      if (errno != EEXIST) break;
    }
    return out.failed("cannot create", errno);
  });
}

Status OutputFile::write(std::span<const std::byte> bytes) {
  if (fd_ < 0) return Error{ErrorCode::kInternal, path_ + ": written to when not open"};
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), std::min(bytes.size(), kMaxWrite));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      Error error = failed("cannot write", n < 0 ? errno : ENOSPC);
      discard();  // now, not when the owner goes: the disk may be full because of it
      return error;
    }
    written_ += static_cast<uint64_t>(n);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Status OutputFile::commit() {
  if (fd_ < 0) return Error{ErrorCode::kInternal, path_ + ": committed when not open"};
  if (::fsync(fd_) != 0) {
    Error error = failed("cannot sync", errno);
    discard();
    return error;
  }
  // Some file systems report a failed write only now, so the name is not given before the close succeeded.
  const int closed = ::close(std::exchange(fd_, -1));
  if (closed != 0 || ::rename(temporary_.c_str(), target_.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary_.c_str());
    return failed(closed != 0 ? "cannot close" : "cannot rename", code);
  }
  // The rename itself reaches the disk with the folder; a folder that cannot be opened or synced is left to the system.
  const size_t slash = target_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : target_.substr(0, slash + 1);
  if (const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); fd >= 0) {
    ::fsync(fd);
    ::close(fd);
  }
  return {};
}

}  // namespace kedge
