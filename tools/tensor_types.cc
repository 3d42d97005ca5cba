#include "tools/tensor_types.h"

#include "tools/command.h"

namespace kedge::tools {

std::vector<std::pair<std::string, std::string>> parse_tensor_types(const std::vector<std::string>& flags) {
  std::vector<std::pair<std::string, std::string>> types;
  for (const std::string& flag : flags) {
    const size_t equals = flag.rfind('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == flag.size()) {
      throw Failure("--tensor-type '" + flag + "': expected PATTERN=TYPE", kExitUsage);
    }
    types.emplace_back(flag.substr(0, equals), flag.substr(equals + 1));
  }
  return types;
}

}  // namespace kedge::tools
