// Sixteen lanes of floats on this instruction set's registers, for files that are compiled once for each.
#pragma once

#if defined(__aarch64__)
#include "kernels/simd/neon.h"
#else
#include "kernels/simd/x86.h"
#endif

namespace kedge::kernels::KEDGE_ISA {

using V = S::F32x16;

// Calls f(i, n) for the sixteens of a row of n values: i the first of them, n how many there are.
template <class F>
KEDGE_INLINE void by_sixteen(int n, F&& f) {
  for (int i = 0; i < n; i += 16) f(i, n - i);
}

}  // namespace kedge::kernels::KEDGE_ISA
