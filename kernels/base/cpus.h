// The CPUs this process may run on.
#pragma once

#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::base {

// By the affinity mask, ascending; never empty.
std::vector<int> allowed_cpus();

}  // namespace kedge::base
