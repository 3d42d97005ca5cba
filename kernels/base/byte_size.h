// Sizes as people write them: "64MiB", "1.5GB", "4096".
#pragma once

#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::base {

// In bytes; K, M and G alone are those of 1024. Negative when the text is no size.
double byte_size(std::string_view text);

}  // namespace kedge::base
