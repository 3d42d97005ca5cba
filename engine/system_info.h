// The machine as this process may use it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/cgroup.h"

namespace kedge::engine {

struct SystemInfo {
  std::string cpu;                    // model name, may be empty
  int cpus_online = 1;                // of the machine
  int cpus_allowed = 1;               // of those, by the process's affinity
  int cores_allowed = 1;              // distinct cores among the allowed CPUs
  std::vector<uint64_t> cache_bytes;  // data caches of the first allowed CPU: L1, L2, L3; missing levels left out
  CgroupLimits cgroup;
  uint64_t memory_total = 0;  // of the machine, bytes
  uint64_t memory_available = 0;
  uint64_t memory_usable = 0;          // the smaller of memory_total and the cgroup's limit
  std::string transparent_huge_pages;  // "always", "madvise", "never", or empty: unknown
  uint64_t huge_page_bytes = 0;
  uint64_t huge_pages_total = 0;  // reserved ones (hugetlbfs)
  uint64_t huge_pages_free = 0;
  std::vector<std::string> isas;  // usable kernel tables, best first
  std::string isa;                // the one in use, or empty when isa_error says why not
  std::string isa_error;
  int default_threads = 1;
};

SystemInfo system_info();
std::string system_info_json(const SystemInfo& info);

// CPUs as threads: min(allowed, whole CPUs of the quota), at least 1. More threads than the quota pays for would make
// every step wait for the one that the scheduler has stopped.
int threads_for(int cpus_allowed, const CgroupLimits& cgroup);
int default_threads();  // declared in session.h too

}  // namespace kedge::engine
