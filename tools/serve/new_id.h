// Names that nothing else has.
#pragma once

#include <string>
#include <string_view>

namespace kedge::tools::serve {

// "chatcmpl-" and 24 characters drawn from the system.
std::string new_id(std::string_view prefix);

}  // namespace kedge::tools::serve
