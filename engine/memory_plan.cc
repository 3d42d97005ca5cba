#include "engine/memory_plan.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace kedge::engine {

namespace {

std::string mib(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

}  // namespace

uint64_t bytes_in_use() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  uint64_t shared = 0;
  if (!(file >> size >> resident >> shared) || shared > resident) return 0;
  return (resident - shared) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

Status check_fits(uint64_t more, uint64_t in_use, const CgroupLimits& limits, const std::string& what,
                  const std::string& hint) {
  if (!limits.memory_bytes) return {};
  const uint64_t limit = *limits.memory_bytes;
  if (in_use <= limit && more <= limit - in_use) return {};
  return Error{ErrorCode::kCapacity, what + " " + mib(more) + ", " + mib(in_use) +
                                         " are in use, and the memory limit of this process's control group (" +
                                         limits.memory_group + ") is " + mib(limit) + hint};
}

Status check_memory(uint64_t more, const std::string& what, const std::string& hint) {
  return check_fits(more, bytes_in_use(), read_cgroup_limits(), what, hint);
}

}  // namespace kedge::engine
