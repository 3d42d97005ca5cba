// Why tokens left or came back: the last so many events, and counts of all.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "kernels/base/rooms.h"

namespace kedge::memory {

enum class KvWhy : uint8_t { kEvict, kDemote, kRecall, kLose, kRefuse };
const char* kv_why_name(KvWhy why);

// A run of tokens that shared a fate in one event.
struct KvLogEntry {
  uint64_t number = 0;   // of the entry
  uint64_t event = 0;    // entries of one event belong together
  int32_t position = 0;  // of the next token when it happened
  int32_t first = 0;     // positions [first, last)
  int32_t last = 0;
  int32_t table = -1;  // of the (layer, kv-head); -1: all
  KvWhy why = KvWhy::kEvict;
  uint8_t tier = 0;    // the policy's: the lowest leave first
  uint32_t score = 0;  // the lowest within the run
};

class KvLog {
 public:
  explicit KvLog(size_t capacity) : capacity_(capacity) {}
  void add(KvLogEntry entry);
  uint64_t total() const { return total_; }
  const std::deque<KvLogEntry>& entries() const { return entries_; }
  void restore(std::deque<KvLogEntry> entries, uint64_t total) {
    entries_ = std::move(entries);
    total_ = total;
  }

 private:
  size_t capacity_;
  uint64_t total_ = 0;
  std::deque<KvLogEntry> entries_;
};

struct KvCounts {  // since the sequence began; tokens, where tables differ the mean over tables
  uint64_t evicted = 0;
  uint64_t demoted = 0;  // of those, to the cold tier
  uint64_t recalled = 0;
  uint64_t lost = 0;  // fell out of the cold tier
  uint64_t pins_refused = 0;
  uint64_t detached = 0;
  uint64_t events = 0;
};

// A reference in new text that names statements which are not all there, and could not be brought back.
struct DetachedReference {
  int32_t position = 0;  // of the token that completed the reference
  int32_t first = 0;     // positions [first, last) of the newest of these statements
  int32_t last = 0;
  int32_t statements = 1;  // how many there are
  std::string reference;   // as it was written where it was found, or the source id that was given
};

}  // namespace kedge::memory
