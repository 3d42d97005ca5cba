#include "router/audit/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

namespace kedge::router::audit {

namespace {

constexpr int64_t kGateByte = int64_t{1} << 60;
constexpr int64_t kLogByte = kGateByte + 1;

}  // namespace

Result<File> File::open(const std::string& path, int flags, unsigned mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
  if (fd < 0) {
    if (errno == ELOOP) return Error{ErrorCode::kIo, path + ": is a symbolic link; a file of an audit log is none"};
    return Error{errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": " + std::strerror(errno)};
  }
  File file(fd, path);
  struct stat status {};
  if (::fstat(fd, &status) != 0) return file.error("look at it");
  if (!S_ISREG(status.st_mode)) return Error{ErrorCode::kIo, path + ": is not a regular file"};
  return file;
}

File::File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

Error File::error(const char* what) const {
  return {ErrorCode::kIo, path_ + ": cannot " + what + ": " + std::strerror(errno)};
}

Result<uint64_t> File::size() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) return error("look at it");
  return static_cast<uint64_t>(status.st_size);
}

Result<std::string> File::read(uint64_t from, size_t n) const {
  std::string out(n, '\0');
  size_t done = 0;
  while (done < n) {
    const ssize_t got = ::pread(fd_, out.data() + done, n - done, static_cast<off_t>(from + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error("read");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  out.resize(done);
  return out;
}

Status File::append(std::string_view bytes) const {
  KEDGE_ASSIGN(before, size());
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t put = ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(before + done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      Error failed = error("write");
      const Status undone = truncate(before);
      if (!undone.ok()) failed.message += "; " + undone.error().message;
      return failed;
    }
    done += static_cast<size_t>(put);
  }
  return {};
}

Status File::truncate(uint64_t size) const {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return error("shorten");
  return {};
}

Status File::sync() const {
  if (::fdatasync(fd_) != 0) return error("sync");
  return {};
}

Status File::reserve(size_t n) const {
  KEDGE_ASSIGN(at, size());
  if (::fallocate(fd_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at), static_cast<off_t>(n)) == 0) return {};
  if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINTR) return {};
  return error("make room");
}

// Two locked bytes far behind the content: whoever waits for the log holds the gate, so that a writer with much to do
// cannot take the log again and again in front of it.
Status File::lock(bool exclusive, int timeout_ms) const {
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  const short type = exclusive ? F_WRLCK : F_RDLCK;
  KEDGE_TRY(lock_byte(kGateByte, type, until));
  Status locked = lock_byte(kLogByte, type, until);
  const Status opened = lock_byte(kGateByte, F_UNLCK, until);
  if (locked.ok()) return opened;
  return locked;
}

Status File::lock_byte(int64_t byte, short type, Clock::time_point until) const {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = byte;
  range.l_len = 1;
  while (::fcntl(fd_, F_OFD_SETLK, &range) != 0) {
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EACCES) return error("lock");
    if (Clock::now() >= until) return Error{ErrorCode::kIo, path_ + ": another process holds the log"};
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return {};
}

void File::unlock() const noexcept {
  const Status ignored = lock_byte(kLogByte, F_UNLCK, {});  // a lock that is ours can always be given back
  (void)ignored;
}

Status sync_folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!synced) return Error{ErrorCode::kIo, folder + ": cannot sync: " + std::strerror(error)};
  return {};
}

}  // namespace kedge::router::audit
