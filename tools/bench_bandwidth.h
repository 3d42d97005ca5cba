// How fast this machine reads memory: what bounds how fast a model writes.
#pragma once

#include <cstddef>

#include "tools/command.h"

namespace kedge::tools {

// Of a buffer to measure with: far beyond any cache, and never more than a quarter of what is free, so that measuring
// makes nobody ill. `info`: kedge_system_info.
size_t probe_bytes(const Json& info);
// Bytes per second, with the threads that generations have by default; the best of a few passes.
double read_bandwidth(const Json& info);

}  // namespace kedge::tools
