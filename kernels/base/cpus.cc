#include "kernels/base/cpus.h"

#include <sched.h>

#include <cstddef>

namespace kedge::base {

// Grows the mask until the kernel is content.
std::vector<int> allowed_cpus() {
  for (size_t n = 1024; n <= (size_t{1} << 20); n *= 2) {
    cpu_set_t* set = CPU_ALLOC(n);
    if (set == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(n);
    std::vector<int> cpus;
    const bool ok = sched_getaffinity(0, bytes, set) == 0;
    for (size_t i = 0; ok && i < n; ++i) {
      if (CPU_ISSET_S(i, bytes, set)) cpus.push_back(static_cast<int>(i));
    }
    CPU_FREE(set);
    if (ok && !cpus.empty()) return cpus;
  }
  return {0};
}

}  // namespace kedge::base
