// Memory that ends at a page nobody may touch.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace kedge::kernels {

// Memory that ends where an unreadable page begins: one byte too many is a crash.
class Guarded {
 public:
  explicit Guarded(size_t bytes) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t body = (bytes + page - 1) / page * page;
    mapped_ = body + page;
    base_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) std::abort();
    mprotect(static_cast<std::byte*>(base_) + body, page, PROT_NONE);
    data_ = static_cast<std::byte*>(base_) + body - bytes;
    // What nobody wrote is NaN in every float format: a slot outside a row's window must not be noticed.
    std::memset(base_, 0xff, body);
  }
  ~Guarded() { munmap(base_, mapped_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  std::byte* data() const { return data_; }
  float* floats() const { return reinterpret_cast<float*>(data_); }
  // A copy of n values that ends at the guard.
  template <class T>
  static const T* copy(const Guarded& to, const T* from, size_t n) {
    std::memcpy(to.data(), from, n * sizeof(T));
    return reinterpret_cast<const T*>(to.data());
  }

 private:
  void* base_;
  std::byte* data_;
  size_t mapped_;
};

}  // namespace kedge::kernels
