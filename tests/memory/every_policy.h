// The policies that make room, for tests that hold for all of them: one that is added is tested too.
#pragma once

#include <string>
#include <vector>

#include "memory/eviction/policy.h"

namespace kedge::memory {

inline std::vector<std::string> evicting_policies() {
  std::vector<std::string> names = policy_names();
  std::erase_if(names, [](const std::string& name) { return !find_policy(name)->evicts; });
  return names;
}

}  // namespace kedge::memory
