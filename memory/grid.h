// Rows of one length that grow together, in one piece of memory: what is known by table and slot, or by table and page.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::memory {

template <class T>
class Grid {
 public:
  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }
  T* row(size_t r) { return values_.data() + r * columns_; }
  const T* row(size_t r) const { return values_.data() + r * columns_; }
  size_t bytes() const { return values_.capacity() * sizeof(T); }

  // What lies within both shapes keeps its place, the rest is zero.
  void reshape(size_t rows, size_t columns) {
    std::vector<T> values(rows * columns);
    for (size_t r = 0; r < std::min(rows, rows_); ++r) {
      std::copy_n(row(r), std::min(columns, columns_), values.data() + r * columns);
    }
    values_.swap(values);
    rows_ = rows;
    columns_ = columns;
  }
  // At least `columns`, with room for more, so that growing one by one is cheap; `most` are ever needed.
  void grow(size_t columns, size_t most) {
    if (columns <= columns_) return;
    const size_t ample = columns_ + std::max(columns_ / 2, size_t{4});
    reshape(rows_, columns_ == 0 ? columns : std::max(columns, std::min(ample, most)));
  }
  void clear() { *this = {}; }

 private:
  std::vector<T> values_;
  size_t rows_ = 0;
  size_t columns_ = 0;
};

}  // namespace kedge::memory
