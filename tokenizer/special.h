// Finding special tokens in text: the longest one that starts at a position.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::tokenizer {

// A sorted set of strings. Const and thread-safe once built. Views the texts, which must outlive it. Finding costs at
// most (length of the longest text) x log(number of texts) per position, so it is linear in the searched text.
class SpecialTokens {
 public:
  struct Match {
    size_t begin = 0;
    size_t length = 0;
    int32_t id = -1;  // -1: no match
  };

  // Texts must not be empty; of equal ones the lowest id counts.
  void add(std::string_view text, int32_t id) { entries_.push_back({text, id}); }
  void build();

  // The first match at or after `from`; of those that start at the same place, the longest.
  Match find(std::string_view text, size_t from) const;
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string_view text;
    int32_t id;
  };
  Match longest_at(std::string_view text, size_t at) const;

  std::vector<Entry> entries_;
  std::bitset<256> first_;
};

}  // namespace kedge::tokenizer
