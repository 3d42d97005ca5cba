// Tokens by their text: a hash table with open addressing, built once while a vocabulary is read and kept. A lookup
// costs one look at a slot and, as a rule, one at the token's text: two places in megabytes of memory. Who looks up a
// hundred thousand of them asks for those places ahead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::tokenizer {

// Holds numbers only: `tokens` are the texts it was filled from, wherever they are now.
class TokenIndex {
 public:
  // Room for `n` tokens; call once, first.
  void reserve(size_t n) {
    size_t capacity = 16;
    while (capacity < n + n / 2) capacity *= 2;
    slots_.assign(capacity, Slot{});
  }

  // Adds token `id`; `h` is hash() of its text. Returns the token of the same text that is there already, which stays,
  // or -1.
  int32_t add(std::span<const std::string> tokens, int32_t id, uint32_t h) {
    const std::string_view text = tokens[static_cast<size_t>(id)];
    Slot& slot = slots_[place(tokens, text, h)];
    if (slot.id >= 0) return slot.id;
    slot = {h, id};
    return -1;
  }

  // -1 when there is none.
  int32_t find(std::span<const std::string> tokens, std::string_view text) const {
    return find(tokens, text, hash(text));
  }
  int32_t find(std::span<const std::string> tokens, std::string_view text, uint32_t h) const {
    return slots_.empty() ? -1 : slots_[place(tokens, text, h)].id;
  }

  // Asks for the slot of a text with this hash; once it is there, for the text of the token in it.
  void fetch_slot(uint32_t h) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[h & (slots_.size() - 1)]);
  }
  void fetch_text(std::span<const std::string> tokens, uint32_t h) const {
    if (slots_.empty()) return;
    const int32_t id = slots_[h & (slots_.size() - 1)].id;
    if (id >= 0) __builtin_prefetch(&tokens[static_cast<size_t>(id)]);
  }

  static uint32_t hash(std::string_view text) {
    uint64_t h = 0x9e3779b97f4a7c15u ^ text.size();
    const auto mix = [&h](uint64_t word) {
      h = (h ^ word) * 0xff51afd7ed558ccdu;
      h ^= h >> 32;
    };
    size_t i = 0;
    for (; i + 8 <= text.size(); i += 8) {
      uint64_t word;
      std::memcpy(&word, text.data() + i, 8);
      mix(word);
    }
    uint64_t rest = 0;
    std::memcpy(&rest, text.data() + i, text.size() - i);
    mix(rest);
    return static_cast<uint32_t>(h ^ (h >> 29));
  }

 private:
  struct Slot {
    uint32_t hash = 0;
    int32_t id = -1;  // free
  };

  size_t place(std::span<const std::string> tokens, std::string_view text, uint32_t h) const {
    const size_t mask = slots_.size() - 1;
    size_t i = h & mask;
    while (slots_[i].id >= 0 && (slots_[i].hash != h || tokens[static_cast<size_t>(slots_[i].id)] != text)) {
      i = (i + 1) & mask;
    }
    return i;
  }

  std::vector<Slot> slots_;
};

}  // namespace kedge::tokenizer
