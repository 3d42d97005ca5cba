#include "tools/serve/state_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "tools/command.h"

namespace kedge::tools::serve {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  bool reset() { return fd_ < 0 || ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

Descriptor open_beneath(int at, const std::string& name, int flags) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? 0600 : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return Descriptor(static_cast<int>(::syscall(SYS_openat2, at, name.c_str(), &how, sizeof how)));
}

ApiError system_error(const std::string& what, int number) {
  const bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
  return {.status = number == ENOENT ? 404
                    : full           ? 507
                                     : 500,
          .code = number == ENOENT ? "not_found"
                  : full           ? "disk_full"
                                   : "io_error",
          .message = what + ": " + std::strerror(number)};
}

bool is_name(std::string_view name) {
  constexpr size_t kMost = 128;
  return !name.empty() && name.size() <= kMost && name.front() != '.' && std::ranges::all_of(name, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

ApiError no_name(std::string_view name) {
  return bad_request("'" + std::string(name.substr(0, 140)) +
                     "' is no name: 1 to 128 letters, digits, '-', '_' and '.', not beginning with '.'");
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return ::fsync(fd) == 0;
}

}  // namespace

StateDirectory::StateDirectory(const std::string& path) : path_(path) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    throw Failure("the state directory " + path + ": " + std::strerror(errno));
  }
  fd_ = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd_ < 0) throw Failure("the state directory " + path + ": " + std::strerror(errno));
}

StateDirectory::~StateDirectory() {
  if (fd_ >= 0) ::close(fd_);
}

Answer<std::string> StateDirectory::read(std::string_view folder, std::string_view name) const {
  const auto path = path_of(folder, name);
  if (!path.ok()) return path.error();
  const std::string inside = std::string(folder) + "/" + std::string(name);
  const Descriptor file = open_beneath(fd_, inside, O_RDONLY);
  if (file.get() < 0) return system_error(inside, errno);
  std::string bytes;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(file.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error(inside, errno);
    if (n == 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(n));
  }
}

Answer<bool> StateDirectory::write(std::string_view folder, std::string_view name, std::string_view bytes) const {
  const auto path = path_of(folder, name);
  if (!path.ok()) return path.error();
  const std::string inside(folder);
  if (::mkdirat(fd_, inside.c_str(), 0700) != 0 && errno != EEXIST) return system_error(inside, errno);
  const Descriptor place = open_beneath(fd_, inside, O_RDONLY | O_DIRECTORY);
  if (place.get() < 0) return system_error(inside, errno);
  static std::atomic<uint64_t> number{0};
  const std::string target(name);
  // Begins with a dot: no request can name it, and a list leaves it out.
  const std::string temporary = "." + std::to_string(::getpid()) + "-" + std::to_string(++number);
  Descriptor file = open_beneath(place.get(), temporary, O_WRONLY | O_CREAT | O_EXCL);
  if (file.get() < 0) return system_error(inside, errno);
  if (write_all(file.get(), bytes) && file.reset() &&
      ::renameat(place.get(), temporary.c_str(), place.get(), target.c_str()) == 0 && ::fsync(place.get()) == 0) {
    return true;
  }
  const int number_of_error = errno;
  ::unlinkat(place.get(), temporary.c_str(), 0);
  return system_error(inside + "/" + target, number_of_error);
}

Answer<bool> StateDirectory::remove(std::string_view folder, std::string_view name) const {
  const auto path = path_of(folder, name);
  if (!path.ok()) return path.error();
  const Descriptor place = open_beneath(fd_, std::string(folder), O_RDONLY | O_DIRECTORY);
  if (place.get() < 0) return system_error(std::string(folder), errno);
  if (::unlinkat(place.get(), std::string(name).c_str(), 0) != 0) return system_error(std::string(name), errno);
  return true;
}

Answer<std::vector<StateDirectory::Entry>> StateDirectory::list(std::string_view folder) const {
  if (!is_name(folder)) return no_name(folder);
  std::vector<Entry> entries;
  Descriptor place = open_beneath(fd_, std::string(folder), O_RDONLY | O_DIRECTORY);
  if (place.get() < 0) {
    if (errno == ENOENT) return entries;
    return system_error(std::string(folder), errno);
  }
  struct Close {
    void operator()(DIR* d) const { ::closedir(d); }
  };
  const std::unique_ptr<DIR, Close> dir(::fdopendir(place.get()));
  if (!dir) return system_error(std::string(folder), errno);
  (void)place.release();  // closedir's
  while (const dirent* entry = ::readdir(dir.get())) {
    struct stat about {};
    if (!is_name(entry->d_name) || ::fstatat(::dirfd(dir.get()), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(about.st_mode)) {
      continue;
    }
    entries.push_back({entry->d_name, about.st_mtim.tv_sec, static_cast<uint64_t>(about.st_size)});
  }
  std::ranges::sort(entries, {}, &Entry::name);
  return entries;
}

Answer<std::string> StateDirectory::path_of(std::string_view folder, std::string_view name) const {
  if (!is_name(folder)) return no_name(folder);
  if (!is_name(name)) return no_name(name);
  return path_ + "/" + std::string(folder) + "/" + std::string(name);
}

}  // namespace kedge::tools::serve
