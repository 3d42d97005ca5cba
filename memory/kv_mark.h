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
  KvSequence state_;   // without pages but those of windows, until
  bool held_ = false;  // they are shared: before, the sequence's first ones are the mark's
};

// A page, or a state, in a file.
struct SpilledPage {
  size_t region;
  uint64_t sum;
};

struct KvSequence::Spilled {
  using Page = SpilledPage;
  std::shared_ptr<RegionFile> file;
  std::shared_ptr<RegionFile> state_file;  // null: no sequence of the arena has a state
  std::vector<Page> pages;                 // table after table, as many as its slots take; then those of windows
  std::vector<Page> states;                // one or none
  ~Spilled() {
    for (const Page& p : pages) file->give_back(p.region);
    for (const Page& p : states) state_file->give_back(p.region);
  }
};

}  // namespace kedge::memory
