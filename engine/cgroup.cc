// Formats: cgroups(7), proc_pid_mountinfo(5), Documentation/admin-guide/cgroup-v{1,2} of the Linux kernel.
#include "engine/cgroup.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

namespace kedge::engine {
namespace {

struct Mount {
  bool v2;
  std::string options;  // of the file system: v1 names its controllers here
  std::string root;     // the group that the mount point shows
  std::string point;
};

// mountinfo writes a space as \040.
std::string unescape(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '\\' && i + 3 < s.size()) {
      out.push_back(static_cast<char>(std::strtol(std::string(s.substr(i + 1, 3)).c_str(), nullptr, 8)));
      i += 3;
    } else {
      out.push_back(s[i]);
    }
  }
  return out;
}

// Whether a comma-separated list has the word.
bool lists(const std::string& list, std::string_view word) {
  std::istringstream in(list);
  for (std::string item; std::getline(in, item, ',');) {
    if (item == word) return true;
  }
  return false;
}

std::vector<Mount> read_mounts(const std::string& root) {
  std::vector<Mount> mounts;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream front(line.substr(0, dash));
    std::istringstream back(line.substr(dash + 3));
    std::string id, parent, device, shown, point, type, source, options;
    front >> id >> parent >> device >> shown >> point;
    back >> type >> source >> options;
    if (type == "cgroup" || type == "cgroup2")
      mounts.push_back({type == "cgroup2", options, unescape(shown), unescape(point)});
  }
  return mounts;
}

// The group of this process: of a v1 controller, or the one v2 hierarchy (controller empty). Empty: none.
std::string group_of(const std::string& root, std::string_view controller) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? controllers.empty() : lists(controllers, controller)) return line.substr(second + 1);
  }
  return "";
}

// The directories of the group and of all that enclose it, as far as this mount shows them, innermost first.
std::vector<std::string> directories(const Mount& mount, std::string group) {
  // A container may see its own group mounted as the top while /proc still tells the path outside.
  if (mount.root != "/") {
    const bool inside =
        group.starts_with(mount.root) && (group.size() == mount.root.size() || group[mount.root.size()] == '/');
    group = inside ? group.substr(mount.root.size()) : "";
  }
  while (!group.empty() && group.back() == '/') group.pop_back();
  if (group.find("/..") != std::string::npos) group.clear();  // outside of what this namespace shows
  std::vector<std::string> dirs;
  while (!group.empty()) {
    dirs.push_back(mount.point + group);
    group.resize(group.rfind('/'));
  }
  dirs.push_back(mount.point);
  return dirs;
}

std::optional<double> read_number(const std::string& path) {
  std::ifstream file(path);
  double value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

std::optional<double> cpus_of(const std::string& dir, bool v2) {
  if (v2) {
    std::ifstream file(dir + "/cpu.max");
    double quota = 0;
    double period = 0;
    if (file >> quota >> period && period > 0) return quota / period;  // "max" is no number
    return std::nullopt;
  }
  const auto quota = read_number(dir + "/cpu.cfs_quota_us");
  const auto period = read_number(dir + "/cpu.cfs_period_us");
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;  // -1: no quota
  return *quota / *period;
}

std::optional<double> memory_of(const std::string& dir, bool v2) {
  const auto limit = read_number(dir + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
  // v1 says "no limit" with the largest number of whole pages.
  return limit && *limit < 0x1p62 ? limit : std::nullopt;
}

// The tightest of the limits that `read` finds for a controller, and where.
template <class Read>
std::optional<double> tightest(const std::string& root, const std::vector<Mount>& mounts, std::string_view controller,
                               Read&& read, std::string& where, int& version) {
  std::optional<double> least;
  for (const Mount& mount : mounts) {
    if (!mount.v2 && !lists(mount.options, controller)) continue;
    const std::string group = group_of(root, mount.v2 ? std::string_view() : controller);
    if (group.empty()) continue;
    for (const std::string& dir : directories(mount, group)) {
      const auto limit = read(root + dir, mount.v2);
      if (where.empty() || (limit && (!least || *limit < *least))) {
        where = dir;
        version = mount.v2 ? 2 : 1;
      }
      if (limit && (!least || *limit < *least)) least = limit;
    }
  }
  return least;
}

}  // namespace

CgroupLimits read_cgroup_limits(const std::string& root) {
  CgroupLimits limits;
  const std::vector<Mount> mounts = read_mounts(root);
  int memory_version = 0;
  limits.cpus = tightest(root, mounts, "cpu", cpus_of, limits.cpu_group, limits.version);
  const auto memory = tightest(root, mounts, "memory", memory_of, limits.memory_group, memory_version);
  if (memory) limits.memory_bytes = static_cast<uint64_t>(*memory);
  return limits;
}

}  // namespace kedge::engine
