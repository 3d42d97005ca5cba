// Counts of values by their size, since the beginning: what a monitoring system makes quantiles of.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/base/rooms.h"

namespace kedge::engine {

template <size_t N>
class Histogram {
 public:
  // Upper bounds, ascending: a value at a bound belongs to it.
  explicit constexpr Histogram(const std::array<double, N>& bounds) : bounds_(&bounds) {}

  void add(double value) {
    const auto at = std::lower_bound(bounds_->begin(), bounds_->end(), value) - bounds_->begin();
    ++counts_[static_cast<size_t>(at)];
    sum_ += value;
  }
  const std::array<double, N>& bounds() const { return *bounds_; }
  const std::array<uint64_t, N + 1>& counts() const { return counts_; }  // of each bound, and above the last
  double sum() const { return sum_; }

 private:
  const std::array<double, N>* bounds_;
  std::array<uint64_t, N + 1> counts_ = {};
  double sum_ = 0;
};

inline constexpr std::array<double, 13> kMillisecondBounds = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 1e4, 6e4};
inline constexpr std::array<double, 11> kRowBounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

}  // namespace kedge::engine
