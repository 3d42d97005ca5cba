#include "kernels/base/aligned.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace kedge::base {

namespace {
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kCacheLine = 64;
size_t round_up(size_t n, size_t a) { return (n + a - 1) / a * a; }
}  // namespace

AlignedBytes::~AlignedBytes() {
  if (mapped_ > 0) {
    munmap(p_, mapped_);
  } else {
    std::free(p_);
  }
}

Result<AlignedBytes> AlignedBytes::make(size_t bytes, const char* what) {
  AlignedBytes b;
  b.size_ = bytes;
  auto no_room = [&] {
    return Error{ErrorCode::kCapacity, std::string(what) + ": cannot allocate " + std::to_string(bytes) + " bytes"};
  };
  if (bytes > SIZE_MAX / 2) return no_room();
  if (bytes >= 2 * kHugePage) {
    // Map one huge page too many and trim both ends, so that the block starts on a huge-page boundary.
    const size_t want = round_up(bytes, kHugePage);
    void* raw = mmap(nullptr, want + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) return no_room();
    const auto start = reinterpret_cast<uintptr_t>(raw);
    const uintptr_t aligned = round_up(start, kHugePage);
    if (aligned > start) munmap(raw, aligned - start);
    const uintptr_t tail = aligned + want;
    const uintptr_t end = start + want + kHugePage;
    if (end > tail) munmap(reinterpret_cast<void*>(tail), end - tail);
    b.p_ = reinterpret_cast<std::byte*>(aligned);
    b.mapped_ = want;
    madvise(b.p_, want, MADV_HUGEPAGE);  // advice only: failure changes nothing
    return b;
  }
  const size_t want = round_up(bytes == 0 ? 1 : bytes, kCacheLine);
  b.p_ = static_cast<std::byte*>(std::aligned_alloc(kCacheLine, want));
  if (b.p_ == nullptr) return no_room();
  std::memset(b.p_, 0, want);
  return b;
}

}  // namespace kedge::base
