#include "engine/system_info.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <utility>

#include "kernels/base/cpus.h"
#include "kernels/base/json.h"
#include "kernels/fast_kernels.h"
#include "kernels/isa.h"

namespace kedge::engine {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string cpu_directory(int cpu) { return "/sys/devices/system/cpu/cpu" + std::to_string(cpu); }

int count_cores(const std::vector<int>& cpus) {
  std::set<std::pair<std::string, std::string>> cores;
  for (const int cpu : cpus) {
    const std::string topology = cpu_directory(cpu) + "/topology/";
    const std::string core = first_line(topology + "core_id");
    if (core.empty()) return static_cast<int>(cpus.size());
    cores.emplace(first_line(topology + "physical_package_id"), core);
  }
  return static_cast<int>(cores.size());
}

std::vector<uint64_t> data_caches(int cpu) {
  std::vector<uint64_t> sizes;
  for (int i = 0; i < 8; ++i) {
    const std::string dir = cpu_directory(cpu) + "/cache/index" + std::to_string(i) + "/";
    const std::string type = first_line(dir + "type");
    if (type.empty()) break;
    if (type == "Instruction") continue;
    const std::string size = first_line(dir + "size");  // "2048K"
    uint64_t bytes = std::strtoull(size.c_str(), nullptr, 10);
    if (size.ends_with('K')) bytes <<= 10;
    if (size.ends_with('M')) bytes <<= 20;
    sizes.push_back(bytes);
  }
  return sizes;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (colon != std::string::npos && line.starts_with("model name")) return line.substr(colon + 2);
  }
  return "";
}

void read_memory(SystemInfo& info) {
  std::ifstream file("/proc/meminfo");
  std::string key;
  uint64_t value = 0;
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    key = line.substr(0, colon);
    value = std::strtoull(line.c_str() + colon + 1, nullptr, 10);
    if (key == "MemTotal") info.memory_total = value << 10;
    if (key == "MemAvailable") info.memory_available = value << 10;
    if (key == "Hugepagesize") info.huge_page_bytes = value << 10;
    if (key == "HugePages_Total") info.huge_pages_total = value;
    if (key == "HugePages_Free") info.huge_pages_free = value;
  }
  info.memory_usable = info.memory_total;
  if (info.cgroup.memory_bytes) info.memory_usable = std::min(info.memory_usable, *info.cgroup.memory_bytes);
  // The mode in use is the one in brackets.
  const std::string modes = first_line("/sys/kernel/mm/transparent_hugepage/enabled");
  const size_t open = modes.find('[');
  const size_t close = modes.find(']');
  if (open != std::string::npos && close > open) info.transparent_huge_pages = modes.substr(open + 1, close - open - 1);
}

}  // namespace

int threads_for(int cpus_allowed, const CgroupLimits& cgroup) {
  int n = cpus_allowed;
  if (cgroup.cpus && *cgroup.cpus < n) n = static_cast<int>(*cgroup.cpus);
  return std::max(n, 1);
}

int default_threads() { return threads_for(static_cast<int>(allowed_cpus().size()), read_cgroup_limits()); }

SystemInfo system_info() {
  SystemInfo info;
  const std::vector<int> cpus = allowed_cpus();
  info.cpu = cpu_model();
  info.cpus_online = static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  info.cpus_allowed = static_cast<int>(cpus.size());
  info.cores_allowed = count_cores(cpus);
  info.cache_bytes = data_caches(cpus.front());
  info.cgroup = read_cgroup_limits();
  read_memory(info);
  for (const KernelTable* table : usable_kernels()) info.isas.emplace_back(table->name);
  const auto active = active_kernels();
  if (active.ok()) {
    info.isa = (*active)->name;
  } else {
    info.isa_error = active.error().message;
  }
  info.default_threads = threads_for(info.cpus_allowed, info.cgroup);
  return info;
}

std::string system_info_json(const SystemInfo& info) {
  const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(); };
  const auto active = active_kernels();
  const std::string fast = active.ok() ? fast_numerics(**active) : "";
  const Json json = {
      {"cpu",
       {{"model", info.cpu},
        {"cpus_online", info.cpus_online},
        {"cpus_allowed", info.cpus_allowed},
        {"cores_allowed", info.cores_allowed},
        {"cache_bytes", info.cache_bytes}}},
      {"isa",
       {{"active", info.isa.empty() ? Json() : Json(info.isa)},
        {"usable", info.isas},
        {"fast", fast.empty() ? Json() : Json(fast)},
        {"error", info.isa_error.empty() ? Json() : Json(info.isa_error)}}},
      {"default_threads", info.default_threads},
      {"cgroup",
       {{"version", info.cgroup.version},
        {"cpu_quota", or_null(info.cgroup.cpus)},
        {"cpu_group", info.cgroup.cpu_group},
        {"memory_limit_bytes", or_null(info.cgroup.memory_bytes)},
        {"memory_group", info.cgroup.memory_group}}},
      {"memory",
       {{"total_bytes", info.memory_total},
        {"available_bytes", info.memory_available},
        {"usable_bytes", info.memory_usable}}},
      {"huge_pages",
       {{"transparent", info.transparent_huge_pages.empty() ? Json() : Json(info.transparent_huge_pages)},
        {"page_bytes", info.huge_page_bytes},
        {"reserved", info.huge_pages_total},
        {"reserved_free", info.huge_pages_free}}},
  };
  return json.dump();
}

}  // namespace kedge::engine
