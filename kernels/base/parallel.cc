#include "kernels/base/parallel.h"

#include <omp.h>

#include <algorithm>
#include <atomic>

namespace kedge {

void ThreadTeam::run_split(size_t n, size_t grain, void (*call)(void*, size_t, size_t, int), void* f) const {
  const size_t blocks = (n + grain - 1) / grain;
  if (n_threads_ == 1 || blocks <= 1) {
    if (n > 0) call(f, 0, n, 0);
    return;
  }
#pragma omp parallel num_threads(n_threads_)
  {
    // The runtime may give fewer threads than asked for; the pieces follow what is really there.
    const auto t = static_cast<size_t>(omp_get_thread_num());
    const auto team = static_cast<size_t>(omp_get_num_threads());
    const size_t begin = std::min(n, blocks * t / team * grain);
    const size_t end = std::min(n, blocks * (t + 1) / team * grain);
    if (begin < end) call(f, begin, end, static_cast<int>(t));
  }
}

void ThreadTeam::run_each(size_t n, void (*call)(void*, size_t, int), void* f) const {
  if (n_threads_ == 1 || n <= 1) {
    for (size_t u = 0; u < n; ++u) call(f, u, 0);
    return;
  }
  std::atomic<size_t> next{0};
#pragma omp parallel num_threads(n_threads_)
  {
    const int t = omp_get_thread_num();
    for (size_t u = next.fetch_add(1, std::memory_order_relaxed); u < n;
         u = next.fetch_add(1, std::memory_order_relaxed)) {
      call(f, u, t);
    }
  }
}

}  // namespace kedge
