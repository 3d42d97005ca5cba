// What generations of a model have cost lately: the p95 of the last 64, which deadlines are held against.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <mutex>

namespace kedge::router {

// Thread-safe.
class CostMeter {
 public:
  struct Estimate {
    double wall_s = 0;  // 0: nothing known yet
    double cpu_s = 0;
  };

  void add(double wall_s, double cpu_s) {
    const std::lock_guard lock(mutex_);
    wall_[n_ % kKept] = wall_s;
    cpu_[n_ % kKept] = cpu_s;
    ++n_;
  }
  Estimate p95() const {
    const std::lock_guard lock(mutex_);
    const size_t n = std::min(n_, kKept);
    return {p95_of(wall_, n), p95_of(cpu_, n)};
  }

 private:
  static constexpr size_t kKept = 64;
  using Values = std::array<double, kKept>;
  static double p95_of(Values values, size_t n) {
    if (n == 0) return 0;
    const auto at = values.begin() + static_cast<std::ptrdiff_t>((n - 1) * 95 / 100);
    std::nth_element(values.begin(), at, values.begin() + static_cast<std::ptrdiff_t>(n));
    return *at;
  }

  mutable std::mutex mutex_;
  Values wall_{};
  Values cpu_{};
  size_t n_ = 0;
};

}  // namespace kedge::router
