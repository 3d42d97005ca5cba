// One-off loops on OpenMP: the only file that names it.
#include "kernels/base/parallel.h"

#include <omp.h>

#include <algorithm>

namespace kedge::base {

int max_parallel_threads(int n_threads) { return n_threads > 0 ? n_threads : std::max(1, omp_get_max_threads()); }

void run_parallel_static(int n_threads, size_t n, size_t grain, RangeCall call, void* f) {
  const size_t blocks = (n + grain - 1) / grain;
  const int wanted = static_cast<int>(std::min<size_t>(blocks, static_cast<size_t>(max_parallel_threads(n_threads))));
#pragma omp parallel num_threads(std::max(wanted, 1))
  {
    // The runtime may give fewer threads than asked for; the pieces follow what is really there.
    const auto t = static_cast<size_t>(omp_get_thread_num());
    const auto team = static_cast<size_t>(omp_get_num_threads());
    const size_t begin = std::min(n, blocks * t / team * grain);
    const size_t end = std::min(n, blocks * (t + 1) / team * grain);
    if (begin < end) call(f, begin, end, static_cast<int>(t));
  }
}

void run_parallel_dynamic(int n_threads, size_t n, UnitCall call, void* f) {
  const int wanted = static_cast<int>(std::min<size_t>(n, static_cast<size_t>(max_parallel_threads(n_threads))));
#pragma omp parallel for schedule(dynamic, 1) num_threads(std::max(wanted, 1))
  for (size_t u = 0; u < n; ++u) call(f, u, omp_get_thread_num());
}

}  // namespace kedge::base
