// The CPUs this process may run on.
#pragma once

#include <vector>

namespace kedge {

// By the affinity mask, ascending; never empty.
std::vector<int> allowed_cpus();

}  // namespace kedge
