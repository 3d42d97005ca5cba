// What the control groups of this process allow: Linux cgroups v1 and v2, the tightest limit of all enclosing groups.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/base/rooms.h"

namespace kedge::engine {

struct CgroupLimits {
  int version = 0;                       // 1 or 2 where the CPU limit was looked for, 0: no cgroups found
  std::optional<double> cpus;            // CPU time per time; empty: no quota
  std::optional<uint64_t> memory_bytes;  // empty: no limit
  std::string cpu_group;                 // directories the limits came from, or those of this process
  std::string memory_group;
};

// Never fails: what cannot be read is no limit. `root` is put before every path (tests).
CgroupLimits read_cgroup_limits(const std::string& root = "");

}  // namespace kedge::engine
