// Where sequences that have to wait keep their pages and states: files that several of them share.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "memory/kv_arena.h"
#include "memory/region_file.h"

namespace kedge::memory {

class SpillFile {
 public:
  // For pages of the arena, in a folder. Errors: kIo.
  static Result<SpillFile> create(const std::string& folder, const KvArena& arena) {
    KEDGE_ASSIGN(file, RegionFile::create_in("KV spill file", folder, arena.page_bytes()));
    SpillFile made(std::move(file));
    if (arena.state_floats() > 0) {
      KEDGE_ASSIGN(states, RegionFile::create_in("KV spill file", folder, arena.state_bytes()));
      made.states_ = std::move(states);
    }
    return made;
  }
  const std::shared_ptr<RegionFile>& regions() const { return regions_; }
  const std::shared_ptr<RegionFile>& states() const { return states_; }  // null: there are none
  size_t bytes() const { return bytes_of(*regions_) + (states_ != nullptr ? bytes_of(*states_) : 0); }

 private:
  explicit SpillFile(std::shared_ptr<RegionFile> regions) : regions_(std::move(regions)) {}
  static size_t bytes_of(const RegionFile& file) { return file.regions_in_use() * file.region_bytes(); }
  std::shared_ptr<RegionFile> regions_;
  std::shared_ptr<RegionFile> states_;
};

}  // namespace kedge::memory
