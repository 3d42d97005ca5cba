// What can be set, as the library says it (kedge_settings_schema): no list of names is kept among the commands.
#pragma once

#include <string>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

struct CacheType {
  std::string name;
  kedge_kv_type value = KEDGE_KV_F16;
  bool cold = false;  // evicted tokens may have it
};

const Json& settings_schema();
const std::vector<std::string>& kv_policies();
const std::vector<CacheType>& cache_types();

// One of these, '-' and '_' being the same.
CLI::Validator one_of(const std::vector<std::string>& names);
bool same_name(std::string_view a, std::string_view b);

}  // namespace kedge::tools
