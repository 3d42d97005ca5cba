#include "tools/variable.h"

#include <unistd.h>

#include <cstdlib>

namespace kedge::tools {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string in_home(const char* name, const char* below) {
  const std::string value = variable(name);
  return value.empty() ? variable("HOME") + "/" + below : value;
}

std::vector<std::string> variables_beginning(std::string_view prefix) {
  std::vector<std::string> names;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view entry = *at;
    if (entry.starts_with(prefix)) names.emplace_back(entry.substr(0, entry.find('=')));
  }
  return names;
}

}  // namespace kedge::tools
