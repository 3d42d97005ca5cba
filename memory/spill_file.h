// Where sequences that have to wait keep their pages: a file that several of them share.
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
    return SpillFile(std::move(file));
  }
  const std::shared_ptr<RegionFile>& regions() const { return regions_; }
  size_t bytes() const { return regions_->regions_in_use() * regions_->region_bytes(); }

 private:
  explicit SpillFile(std::shared_ptr<RegionFile> regions) : regions_(std::move(regions)) {}
  std::shared_ptr<RegionFile> regions_;
};

}  // namespace kedge::memory
