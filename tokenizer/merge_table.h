// The merges of a byte-level BPE vocabulary: (left id, right id) to rank and result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::tokenizer {

// A hash table with open addressing; looking up is what encoding spends its time on. Const and thread-safe once filled.
class MergeTable {
 public:
  struct Merge {
    int32_t rank;
    int32_t id;
  };

  // Room for `n` merges; call once, first, and insert no more than that.
  void reserve(size_t n) {
    size_t capacity = 16;
    while (capacity < n + n / 2) capacity *= 2;
    slots_.assign(capacity, Slot{});
  }

  // Of two merges of the same pair the first one counts.
  void insert(int32_t left, int32_t right, Merge merge) {
    const uint64_t key = key_of(left, right);
    size_t i = hash(key) & (slots_.size() - 1);
    while (slots_[i].key != kFree && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
    if (slots_[i].key == kFree) slots_[i] = {key, merge};
  }

  const Merge* find(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    size_t i = hash(key) & (slots_.size() - 1);
    while (slots_[i].key != kFree) {
      if (slots_[i].key == key) return &slots_[i].merge;
      i = (i + 1) & (slots_.size() - 1);
    }
    return nullptr;
  }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};  // ids are not negative, so no pair has this key
  struct Slot {
    uint64_t key = kFree;
    Merge merge{};
  };

  static uint64_t key_of(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  static size_t hash(uint64_t key) {
    key *= 0x9e3779b97f4a7c15u;
    return static_cast<size_t>(key ^ (key >> 32));
  }

  std::vector<Slot> slots_;
};

}  // namespace kedge::tokenizer
