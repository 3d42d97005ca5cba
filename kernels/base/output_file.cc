#include "kernels/base/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

namespace kedge::base {

namespace {

constexpr size_t kMaxWrite = size_t{256} << 20;  // Linux writes at most 2 GB at once
constexpr int kMaxAttempts = 100;

std::string reason(int code) { return std::generic_category().message(code); }

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// A name beside the target that no other writer has: two threads may write one path at a time.
std::string new_name(const std::string& path) {
  static std::atomic<unsigned> counter{0};
  return path + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
}

std::string descriptor_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

Status check_target(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument, "'" + path + "' is not a path a file can have"};
  }
  struct stat info = {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return Error{ErrorCode::kIo, path + ": cannot write: " + reason(errno)};
  }
  if (!S_ISREG(info.st_mode)) {
    return Error{ErrorCode::kInvalidArgument, path + ": is " + kind_of(info.st_mode) +
                                                  ", it is not replaced: only a regular file or a new one is written"};
  }
  if (::access(path.c_str(), W_OK) != 0) return Error{ErrorCode::kIo, path + ": cannot write: " + reason(errno)};
  return {};
}

void OutputFile::swap(OutputFile& o) noexcept {
  std::swap(path_, o.path_);
  std::swap(temporary_, o.temporary_);
  std::swap(options_, o.options_);
  std::swap(open_, o.open_);
  std::swap(fd_, o.fd_);
  std::swap(written_, o.written_);
}

void OutputFile::discard() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
  open_ = false;
}

Error OutputFile::failed(const char* what, int code) const {
  std::string message = path_ + ": " + what;
  if (!options_.named) message += " after " + std::to_string(written_) + " ";
  if (!options_.named && options_.expected_bytes > 0) message += "of " + std::to_string(options_.expected_bytes) + " ";
  return {ErrorCode::kIo, message + (options_.named ? ": " : "bytes: ") + reason(code)};
}

Result<OutputFile> OutputFile::create(const std::string& path, const OutputOptions& options) {
  KEDGE_TRY(check_target(path));
  OutputFile out;
  out.path_ = path;
  out.options_ = options;
  KEDGE_TRY(options.named ? out.open_named() : out.open_temporary());
  out.open_ = true;
  KEDGE_TRY(out.set_mode());
  if (options.named && ::close(std::exchange(out.fd_, -1)) != 0) return out.failed("cannot create", errno);
  return out;
}

// A file without a name, where there are such: it goes with the process, however that ends.
Status OutputFile::open_temporary() {
  fd_ = ::open(folder_of(path_).c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, options_.owner_only ? 0600 : 0666);
  if (fd_ >= 0 && ::access(descriptor_path(fd_).c_str(), F_OK) == 0) return {};
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  return open_named();
}

Status OutputFile::open_named() {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    std::string name = new_name(path_);
    fd_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, options_.owner_only ? 0600 : 0666);
    if (fd_ >= 0) {
      temporary_ = std::move(name);
      return {};
    }
    if (errno != EEXIST) break;
  }
  return failed("cannot create", errno);
}

// umask may have taken bits away that the owner needs, or the file that is replaced has a mode of its own.
Status OutputFile::set_mode() const {
  struct stat info = {};
  const bool replaces = !options_.owner_only && ::lstat(path_.c_str(), &info) == 0;
  if (!replaces && !options_.owner_only) return {};
  if (::fchmod(fd_, replaces ? info.st_mode & 0777 : 0600) != 0) return failed("cannot set the mode", errno);
  return {};
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
  if (!open_) return Error{ErrorCode::kInternal, path_ + ": committed when not open"};
  Status status = publish();
  discard();
  KEDGE_TRY(std::move(status));
  // The name itself reaches the disk with the folder; a folder that cannot be opened or synced is left to the system.
  if (const int fd = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); fd >= 0) {
    ::fsync(fd);
    ::close(fd);
  }
  return {};
}

Status OutputFile::publish() {
  if (options_.named) fd_ = ::open(temporary_.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd_ < 0) return failed("cannot open", errno);
  if (::fsync(fd_) != 0) return failed("cannot sync", errno);
  KEDGE_TRY(check_target(path_));  // again: something else may have come there meanwhile
  if (temporary_.empty()) return give_name();
  // Some file systems report a failed write only now, so the name is not given before the close succeeded. Nor is one
  // of ours open any more when others find the file.
  if (::close(std::exchange(fd_, -1)) != 0) return failed("cannot close", errno);
  if (options_.new_only) {
    if (::link(temporary_.c_str(), path_.c_str()) != 0) return failed("cannot name", errno);
    return {};
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failed("cannot rename", errno);
  temporary_.clear();
  return {};
}

// Of a file without one. A link never replaces, so what is there already is replaced by a rename.
Status OutputFile::give_name() {
  const std::string self = descriptor_path(fd_);
  const auto link_to = [&](const std::string& name) {
    return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
  };
  if (link_to(path_)) return {};
  for (int attempt = 0; errno == EEXIST && !options_.new_only && attempt < kMaxAttempts; ++attempt) {
    const std::string name = new_name(path_);
    if (!link_to(name)) continue;
    temporary_ = name;
    if (::rename(name.c_str(), path_.c_str()) != 0) return failed("cannot rename", errno);
    temporary_.clear();
    return {};
  }
  return failed("cannot name", errno);
}

Status write_file(const std::string& path, std::string_view bytes, OutputOptions options) {
  options.expected_bytes = bytes.size();
  KEDGE_ASSIGN(file, OutputFile::create(path, options));
  KEDGE_TRY(file.write(bytes));
  return file.commit();
}

}  // namespace kedge::base
