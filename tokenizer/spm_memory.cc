#include "tokenizer/spm_memory.h"

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

namespace kedge::tokenizer {

namespace {

constexpr size_t kLeast = size_t{64} << 10;
constexpr size_t kPerByte = 256;

// The handler is the process's: installed by the first thread that enters, put back by the last that leaves.
constinit std::mutex mutex;
constinit int inside = 0;  // threads
constinit std::atomic<std::new_handler> before = nullptr;
thread_local constinit SpmMemory* current = nullptr;

}  // namespace

// operator new tries again when this returns. Other threads get what they would have got without us.
void SpmMemory::out_of_memory() {
  if (current != nullptr && current->reserve_ != nullptr) {
    std::free(std::exchange(current->reserve_, nullptr));
    return;
  }
  const std::new_handler theirs = before.load();
  if (theirs == nullptr) throw std::bad_alloc();
  theirs();
}

SpmMemory::SpmMemory(size_t bytes) : reserve_(std::malloc(kLeast + kPerByte * bytes)) {
  const std::lock_guard lock(mutex);
  if (inside++ == 0) before = std::set_new_handler(out_of_memory);
  current = this;
}

SpmMemory::~SpmMemory() {
  const std::lock_guard lock(mutex);
  if (--inside == 0) std::set_new_handler(before);
  current = nullptr;
  std::free(reserve_);
}

Status SpmMemory::status() const {
  if (reserve_ != nullptr) return {};
  return Error{ErrorCode::kCapacity, "out of memory in sentencepiece"};
}

}  // namespace kedge::tokenizer
