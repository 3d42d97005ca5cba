// Finding things by name in a file's tables: indices sorted by name. Sorting and not hashing, so that no choice of
// names makes it slow (64k names: 16 comparisons each) and an index costs four bytes per name.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::weights {

class NameIndex {
 public:
  NameIndex() = default;
  // `name_at(i)` for i in [0, n) must go on returning the same names.
  template <class NameAt>
  NameIndex(size_t n, NameAt name_at) : order_(n) {
    std::iota(order_.begin(), order_.end(), 0u);
    std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
      const int c = name_at(a).compare(name_at(b));
      return c != 0 ? c < 0 : a < b;
    });
    for (size_t i = 1; i < n && !duplicate_; ++i) {
      if (name_at(order_[i - 1]) == name_at(order_[i])) duplicate_ = order_[i];
    }
  }

  // An index whose name also appears earlier, if there is any.
  std::optional<uint32_t> duplicate() const { return duplicate_; }

  template <class NameAt>
  std::optional<uint32_t> find(std::string_view name, NameAt name_at) const {
    const auto it = std::lower_bound(order_.begin(), order_.end(), name,
                                     [&](uint32_t i, std::string_view wanted) { return name_at(i) < wanted; });
    if (it == order_.end() || name_at(*it) != name) return std::nullopt;
    return *it;
  }

 private:
  std::vector<uint32_t> order_;
  std::optional<uint32_t> duplicate_;
};

}  // namespace kedge::weights
