// The environment of the command: folders and addresses that are the user's to set. The library reads KEDGE_ISA alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kedge::tools {

// Empty when it is not set.
std::string variable(const char* name);
// What a variable says, or a folder below the home folder: in_home("XDG_CACHE_HOME", ".cache").
std::string in_home(const char* name, const char* below);

// Names of those that are set and begin so.
std::vector<std::string> variables_beginning(std::string_view prefix);

}  // namespace kedge::tools
