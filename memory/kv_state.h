// A sequence's recurrent state: a block of floats of the arena, 64-byte aligned. It is filled once, by the step that
// made it, and is never written again: sequences, marks and copies share it by reference.
#pragma once

#include <cstdint>
#include <utility>

#include "kernels/base/rooms.h"

namespace kedge::memory {

class KvArena;

class KvState {
 public:
  KvState() = default;                                                        // none: all zeros
  KvState(KvArena& arena, uint32_t block) : arena_(&arena), block_(block) {}  // takes over a reference
  KvState(const KvState& o);
  KvState(KvState&& o) noexcept : arena_(std::exchange(o.arena_, nullptr)), block_(o.block_) {}
  KvState& operator=(KvState o) noexcept {
    std::swap(arena_, o.arena_);
    std::swap(block_, o.block_);
    return *this;
  }
  ~KvState();

  explicit operator bool() const { return arena_ != nullptr; }
  float* data() const;
  bool shared() const;

 private:
  KvArena* arena_ = nullptr;  // outlives it
  uint32_t block_ = 0;
};

}  // namespace kedge::memory
