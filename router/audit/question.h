// What was asked, out of a request as it was recorded.
#pragma once

#include <string_view>

#include "kernels/base/json.h"

namespace kedge::router::audit {

// The text of the last message of the user; null when the request says none.
Json asked_question(std::string_view request);

}  // namespace kedge::router::audit
