// Memory for libsentencepiece. Its results are protocol buffers, whose destructors end the process when an allocation
// has failed half way through one. So none fails in there: what it may need is set aside before, and handed to operator
// new when that runs out; afterwards the call is an error all the same.
#pragma once

#include <cstddef>

#include "kernels/base/result.h"

namespace kedge::tokenizer {

// For the time of one call into the library, on the calling thread. Where even retries fail (an allocator that refuses
// everything from some point on), the library ends the process.
class SpmMemory {
 public:
  explicit SpmMemory(size_t bytes);  // of text or model that the library is given
  SpmMemory(const SpmMemory&) = delete;
  SpmMemory& operator=(const SpmMemory&) = delete;
  ~SpmMemory();

  // Before the call: whether there is a reserve. After it: whether it did without. kCapacity.
  Status status() const;

 private:
  static void out_of_memory();
  void* reserve_;
};

}  // namespace kedge::tokenizer
