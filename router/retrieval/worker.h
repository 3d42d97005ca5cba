// Foreign formats are read by another process: it has a bounded amount of memory and processor time, sees no files of
// ours, and dies with us.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "router/retrieval/document.h"

namespace kedge::router::retrieval {

// In proportion to the file: what an honest file needs, several times over.
struct WorkerLimits {
  int64_t cpu_ms = 0;
  int64_t memory = 0;  // bytes of address space
};

// Runs the program kedge-reader (router/reader) with `arguments`; `input` is its standard input, a file of memory
// alone. What it wrote to standard output. `name` is how errors call the file. Errors: kUnsupported when the program is
// not there, with the places looked at; kCapacity for a limit; kInvalidArgument when it refuses the input, with what it
// said, or breaks down over it; kCancelled; kIo.
Result<std::string> run_worker(std::span<const std::string> arguments, std::string_view input, WorkerLimits limits,
                               const std::string& name, const GoOn& go_on);

}  // namespace kedge::router::retrieval
