// "PATTERN=TYPE", as the flag --tensor-type of the commands that write models has it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kedge::tools {

// In their order; the last '=' divides. A Failure that shows the form.
std::vector<std::pair<std::string, std::string>> parse_tensor_types(const std::vector<std::string>& flags);

}  // namespace kedge::tools
