#include "memory/kv_log.h"

namespace kedge::memory {

const char* kv_why_name(KvWhy why) {
  switch (why) {
    case KvWhy::kEvict:
      return "evict";
    case KvWhy::kDemote:
      return "demote";
    case KvWhy::kRecall:
      return "recall";
    case KvWhy::kLose:
      return "lose";
    case KvWhy::kRefuse:
      return "refuse";
  }
  return "unknown";
}

void KvLog::add(KvLogEntry entry) {
  entry.number = total_++;
  if (capacity_ == 0) return;
  if (entries_.size() == capacity_) entries_.pop_front();
  entries_.push_back(entry);
}

}  // namespace kedge::memory
