// What a sequence was when it was marked.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "memory/kv_sequence.h"

namespace kedge::memory {

class KvSequence::Mark {
 public:
  explicit Mark(KvSequence state) : state_(std::move(state)) {}

 private:
  friend class KvSequence;
  KvSequence state_;   // without pages, until
  bool held_ = false;  // they are shared: before, the sequence's first ones are the mark's
};

// Pages in a file.
struct KvSequence::Spilled {
  struct Page {
    size_t region;
    uint64_t sum;
  };
  std::shared_ptr<RegionFile> file;
  std::vector<Page> pages;  // table after table, as many as its slots take
  ~Spilled() {
    for (const Page& p : pages) file->give_back(p.region);
  }
};

}  // namespace kedge::memory
