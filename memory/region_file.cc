#include "memory/region_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace kedge::memory {

namespace {

Error cannot_create(const std::string& what, const std::string& path) {
  return {ErrorCode::kIo, what + ": cannot create " + path + ": " + std::strerror(errno)};
}

}  // namespace

RegionFile::RegionFile(std::string what, int fd, std::string path, size_t region_bytes)
    : what_(std::move(what)), fd_(fd), path_(std::move(path)), region_bytes_(region_bytes) {}

RegionFile::~RegionFile() { ::close(fd_); }

Result<std::shared_ptr<RegionFile>> RegionFile::create(const std::string& what, const std::string& path,
                                                       size_t region_bytes) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return cannot_create(what, path);
  ::unlink(path.c_str());
  return std::shared_ptr<RegionFile>(new RegionFile(what, fd, path, region_bytes));
}

Result<std::shared_ptr<RegionFile>> RegionFile::create_in(const std::string& what, const std::string& folder,
                                                          size_t region_bytes) {
  std::string path = folder + "/kedge-XXXXXX";
  const int fd = ::mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) return cannot_create(what, path);
  ::unlink(path.c_str());
  return std::shared_ptr<RegionFile>(new RegionFile(what, fd, path, region_bytes));
}

Result<size_t> RegionFile::write(const std::byte* data) {
  const size_t region = take();
  for (size_t done = 0; done < region_bytes_;) {
    const ssize_t n =
        ::pwrite(fd_, data + done, region_bytes_ - done, static_cast<off_t>(region * region_bytes_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const Error error{ErrorCode::kIo, what_ + ": writing " + std::to_string(region_bytes_) + " bytes to " + path_ +
                                            " failed: " + std::strerror(n < 0 ? errno : ENOSPC)};
      give_back(region);
      return error;
    }
    done += static_cast<size_t>(n);
  }
  return region;
}

Status RegionFile::read(size_t region, std::byte* out) const {
  for (size_t done = 0; done < region_bytes_;) {
    const ssize_t n = ::pread(fd_, out + done, region_bytes_ - done, static_cast<off_t>(region * region_bytes_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      return Error{ErrorCode::kIo,
                   what_ + ": reading " + std::to_string(region_bytes_) + " bytes of " + path_ +
                       " failed: " + (n < 0 ? std::strerror(errno) : "the file is shorter than what was written")};
    }
    done += static_cast<size_t>(n);
  }
  return {};
}

void RegionFile::give_back(size_t region) {
  const std::lock_guard lock(mutex_);
  free_.push_back(region);
}

size_t RegionFile::regions_in_use() const {
  const std::lock_guard lock(mutex_);
  return n_regions_ - free_.size();
}

size_t RegionFile::take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return n_regions_++;
  const size_t region = free_.back();
  free_.pop_back();
  return region;
}

}  // namespace kedge::memory
