// A file of regions of one size, reused, for what does not find room in memory. It has no name once it is open: nobody
// else reads it, and it is gone with its last user. Taking, giving back, reading and writing regions is safe from any
// threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::memory {

class RegionFile {
 public:
  // `what` begins every message. Errors: kIo (it cannot be made; something with that name is there).
  static Result<std::shared_ptr<RegionFile>> create(const std::string& what, const std::string& path,
                                                    size_t region_bytes);
  // In a folder, under a name of its own.
  static Result<std::shared_ptr<RegionFile>> create_in(const std::string& what, const std::string& folder,
                                                       size_t region_bytes);
  ~RegionFile();
  RegionFile(const RegionFile&) = delete;
  RegionFile& operator=(const RegionFile&) = delete;

  size_t region_bytes() const { return region_bytes_; }
  // The number of the region that holds them now. Errors: kIo (disk full).
  Result<size_t> write(const std::byte* data);
  Status read(size_t region, std::byte* out) const;
  void give_back(size_t region);
  size_t regions_in_use() const;

 private:
  RegionFile(std::string what, int fd, std::string path, size_t region_bytes);
  size_t take();

  std::string what_;
  int fd_;
  std::string path_;
  size_t region_bytes_;
  mutable std::mutex mutex_;  // of the regions
  size_t n_regions_ = 0;
  std::vector<size_t> free_;
};

}  // namespace kedge::memory
