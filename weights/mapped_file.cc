#include "weights/mapped_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "kernels/base/input_file.h"
#include "weights/gguf_format.h"

namespace kedge::weights {

namespace {

constexpr uint64_t kStep = uint64_t{16} << 20;  // bytes between two progress calls

Error system_error(const std::string& path, const char* what, int code) {
  const ErrorCode kind = code == ENOENT || code == ENOTDIR ? ErrorCode::kNotFound
                         : code == ENOMEM                  ? ErrorCode::kCapacity
                                                           : ErrorCode::kIo;
  return Error{kind, path + ": " + what + ": " + std::generic_category().message(code)};
}

Result<uint64_t> not_empty(const std::string& path, uint64_t size) {
  if (size == 0) return Error{ErrorCode::kInvalidArgument, path + ": the file is empty (0 bytes)"};
  return size;
}

Error cancelled(const std::string& path, uint64_t done, uint64_t total) {
  return Error{ErrorCode::kCancelled,
               path + ": loading cancelled after " + std::to_string(done) + " of " + std::to_string(total) + " bytes"};
}

}  // namespace

namespace {

constexpr size_t kHugePage = size_t{2} << 20;

// At an address that is as far into a huge page as the file's beginning, which is what the system needs to map huge
// pages that it holds the file in; and it is asked to hold it in those where it reads it from the disk.
void* map_aligned(int fd, size_t size) {
  const size_t room = size + kHugePage;
  void* raw = ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return raw;
  const auto start = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t at = (start + kHugePage - 1) / kHugePage * kHugePage;
  void* p = ::mmap(reinterpret_cast<void*>(at), size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
  if (p == MAP_FAILED) {
    ::munmap(raw, room);
    return p;
  }
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t end = at + (size + page - 1) / page * page;
  if (at > start) ::munmap(raw, at - start);
  if (start + room > end) ::munmap(reinterpret_cast<void*>(end), start + room - end);
  ::madvise(p, size, MADV_HUGEPAGE);  // advice: failure changes nothing
  return p;
}

}  // namespace

Result<uint64_t> regular_file_size(const std::string& path) {
  KEDGE_ASSIGN(size, input_file_size(path));
  return not_empty(path, size);
}

MappedFile::MappedFile(MappedFile&& o) noexcept
    : path_(std::move(o.path_)),
      stamp_(o.stamp_),
      data_(std::exchange(o.data_, nullptr)),
      size_(std::exchange(o.size_, 0)),
      mapped_(std::exchange(o.mapped_, false)),
      memory_(std::move(o.memory_)) {}

MappedFile& MappedFile::operator=(MappedFile&& o) noexcept {
  std::swap(path_, o.path_);
  std::swap(stamp_, o.stamp_);
  std::swap(data_, o.data_);
  std::swap(size_, o.size_);
  std::swap(mapped_, o.mapped_);
  std::swap(memory_, o.memory_);
  return *this;
}

MappedFile::~MappedFile() {
  if (mapped_) ::munmap(const_cast<std::byte*>(data_), size_);
}

Result<MappedFile> MappedFile::open(const std::string& path, const LoadOptions& options) {
  return without_bad_alloc(path, [&]() -> Result<MappedFile> {
    KEDGE_ASSIGN(in, InputFile::open(path));
    KEDGE_ASSIGN(size, not_empty(path, in.size()));
    if (size > SIZE_MAX / 2) {
      return Error{ErrorCode::kCapacity, path + ": " + std::to_string(size) + " bytes exceed the address space"};
    }
    MappedFile file;
    file.path_ = path;
    file.stamp_ = in.stamp();
    file.size_ = static_cast<size_t>(size);
    KEDGE_TRY(options.use_mmap ? file.map(in.fd(), options) : file.read_all(in.fd(), options));
    return file;
  });
}

Status MappedFile::map(int fd, const LoadOptions& options) {
  void* p = options.huge_pages ? map_aligned(fd, size_) : ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) return system_error(path_, "cannot map", errno);
  data_ = static_cast<const std::byte*>(p);
  mapped_ = true;
  if (options.populate) return populate(options);
  if (options.progress && !options.progress(size_, size_)) return cancelled(path_, size_, size_);
  return {};
}

Status MappedFile::populate(const LoadOptions& options) const {
  for (uint64_t done = 0; done < size_;) {
    const uint64_t n = std::min<uint64_t>(kStep, size_ - done);
#ifdef MADV_POPULATE_READ
    // Reports an unreadable disk as an error where touching the page would be a SIGBUS. Systems without it only
    // get the hint: populating is a matter of speed.
    if (::madvise(const_cast<std::byte*>(data_) + done, n, MADV_POPULATE_READ) != 0) {
      if (errno == EFAULT || errno == EHWPOISON) return system_error(path_, "cannot read", EIO);
      advise(done, n, Advice::kWillNeed);
    }
#else
    advise(done, n, Advice::kWillNeed);
#endif
    done += n;
    if (options.progress && !options.progress(done, size_)) return cancelled(path_, done, size_);
  }
  return {};
}

Status MappedFile::read_all(int fd, const LoadOptions& options) {
  KEDGE_ASSIGN(memory, AlignedBytes::make(size_, path_.c_str()));
  for (uint64_t done = 0; done < size_;) {
    const uint64_t end = std::min<uint64_t>(size_, done + kStep);
    while (done < end) {
      const ssize_t n = ::pread(fd, memory.data() + done, end - done, static_cast<off_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        return system_error(path_, ("cannot read at byte " + std::to_string(done)).c_str(), errno);
      }
      if (n == 0) {
        return Error{ErrorCode::kIo, path_ + ": ended after " + std::to_string(done) + " of " + std::to_string(size_) +
                                         " bytes: it shrank while it was read"};
      }
      done += static_cast<uint64_t>(n);
    }
    if (options.progress && !options.progress(done, size_)) return cancelled(path_, done, size_);
  }
  memory_ = std::move(memory);
  data_ = memory_.data();
  return {};
}

void MappedFile::advise(uint64_t offset, uint64_t length, Advice advice) const {
  if ((!mapped_ && advice != Advice::kDiscard) || offset >= size_) return;
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t end = std::min<uint64_t>(size_, length > size_ - offset ? size_ : offset + length);
  uint64_t from = offset / page * page;
  uint64_t to = end;
  int flag = MADV_WILLNEED;
  switch (advice) {
    case Advice::kWillNeed:
      break;
    case Advice::kSequential:
      flag = MADV_SEQUENTIAL;
      break;
    case Advice::kRandom:
      flag = MADV_RANDOM;
      break;
    case Advice::kDrop:
    case Advice::kDiscard:
      // Only whole pages: a neighbour's bytes on a shared page stay resident.
      flag = MADV_DONTNEED;
      from = (offset + page - 1) / page * page;
      if (end != size_ || !mapped_) to = end / page * page;
      break;
  }
  if (from < to) ::madvise(const_cast<std::byte*>(data_) + from, to - from, flag);  // advice: failure changes nothing
}

}  // namespace kedge::weights
