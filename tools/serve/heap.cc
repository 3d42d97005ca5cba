#include "tools/serve/heap.h"

#include <malloc.h>

namespace kedge::tools::serve {

void keep_heap_small() {
  constexpr int kOfTheirOwn = 1 << 20;  // bytes: larger blocks go back to the system at once, always
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, kOfTheirOwn);
  mallopt(M_TRIM_THRESHOLD, 2 * kOfTheirOwn);
}

}  // namespace kedge::tools::serve
