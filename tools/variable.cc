#include "tools/variable.h"

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

}  // namespace kedge::tools
