// Whether what is about to be allocated fits the memory that this process's control groups allow. Going over kills the
// process; a refusal with numbers does not.
#pragma once

#include <cstdint>
#include <string>

#include "engine/cgroup.h"
#include "kernels/base/result.h"

namespace kedge::engine {

// Bytes of this process that nothing could give back (not pages of files), 0 where the system does not say.
uint64_t bytes_in_use();

// kCapacity when `more` bytes on top of those `in_use` are over the limit. `what` begins the message; `hint` ends it.
Status check_fits(uint64_t more, uint64_t in_use, const CgroupLimits& limits, const std::string& what,
                  const std::string& hint);

// The same for this process, now.
Status check_memory(uint64_t more, const std::string& what, const std::string& hint);

}  // namespace kedge::engine
