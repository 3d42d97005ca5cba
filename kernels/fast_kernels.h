// What `--numerics fast` is on an instruction set.
#pragma once

#include <string>

#include "kernels/kernel_table.h"

namespace kedge::kernels {

// "int8 per 256" (quantised weights), "int8 per 256, bfloat16" (float weights too), or empty: nothing would be faster
// than exact products. What is not named stays exact.
std::string fast_numerics(const KernelTable& table);

}  // namespace kedge::kernels
