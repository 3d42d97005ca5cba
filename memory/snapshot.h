// A sequence's memory as bytes: pages, positions, scores, metadata, cold tier, log and counts. What is read is a memory
// that goes on exactly as the one that was written, or an error and nothing.
#pragma once

#include <memory>

#include "memory/byte_stream.h"
#include "memory/kv_memory.h"

namespace kedge::memory {

// Errors: kInvalidArgument (a step is open; it is swapped out), kCapacity (recalls wait for pages), kIo, kCorrupt (the
// cold tier).
void write_memory(const KvMemory& memory, ByteWriter& out, Status* status);
// `cold_path` replaces the path of a cold file. In an arena of its own, or in `arena`. Errors: kCorrupt, kCapacity,
// kIo; kInvalidArgument when `shape` is not the one that was written.
Result<std::unique_ptr<KvMemory>> read_memory(ByteReader& in, const KvShape& shape, const KernelTable& kernels,
                                              const std::string& cold_path, std::shared_ptr<KvArena> arena = nullptr);

}  // namespace kedge::memory
