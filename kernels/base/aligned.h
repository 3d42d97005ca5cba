// Owning, zero-filled, 64-byte aligned memory (2 MiB aligned and advised for huge pages when large). Allocation
// failure is an error, never an exception.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "kernels/base/result.h"

namespace kedge::base {

class AlignedBytes {
 public:
  AlignedBytes() = default;
  AlignedBytes(AlignedBytes&& o) noexcept
      : p_(std::exchange(o.p_, nullptr)), size_(std::exchange(o.size_, 0)), mapped_(std::exchange(o.mapped_, 0)) {}
  AlignedBytes& operator=(AlignedBytes&& o) noexcept {
    std::swap(p_, o.p_);
    std::swap(size_, o.size_);
    std::swap(mapped_, o.mapped_);
    return *this;
  }
  ~AlignedBytes();

  // `bytes` zeroed bytes; `what` names them in the error (kCapacity) when the system has no room.
  static Result<AlignedBytes> make(size_t bytes, const char* what);

  std::byte* data() { return p_; }
  const std::byte* data() const { return p_; }
  size_t size() const { return size_; }

 private:
  std::byte* p_ = nullptr;
  size_t size_ = 0;
  size_t mapped_ = 0;  // bytes mapped from the system, 0 when the memory came from the heap
};

// The same as an array of trivially copyable T.
template <class T>
class AlignedArray {
 public:
  AlignedArray() = default;
  static Result<AlignedArray> make(size_t count, const char* what) {
    if (count > SIZE_MAX / sizeof(T)) {
      return Error{ErrorCode::kCapacity, std::string(what) + ": size overflows"};
    }
    KEDGE_ASSIGN(bytes, AlignedBytes::make(count * sizeof(T), what));
    AlignedArray a;
    a.bytes_ = std::move(bytes);
    return a;
  }
  T* data() { return reinterpret_cast<T*>(bytes_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(bytes_.data()); }
  size_t size() const { return bytes_.size() / sizeof(T); }
  std::span<T> span() { return {data(), size()}; }
  std::span<const T> span() const { return {data(), size()}; }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }

 private:
  AlignedBytes bytes_;
};

}  // namespace kedge::base
