#include "memory/cold_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "memory/checksum.h"

namespace kedge::memory {

// A full block: it does not change any more and may be shared by forks.
struct ColdStore::Sealed {
  uint64_t sum = 0;
  std::vector<std::byte> bytes;  // in memory
  std::shared_ptr<RegionFile> file;
  size_t region = 0;
  Sealed() = default;
  Sealed(const Sealed&) = delete;
  ~Sealed() {
    if (file != nullptr) file->give_back(region);
  }
};

Result<ColdStore> ColdStore::create(const KvLayout& layout, int n_tables, size_t budget_bytes, const std::string& path,
                                    bool digests) {
  ColdStore store;
  store.digests_ = digests;
  store.layout_ = layout;
  store.n_tables_ = n_tables;
  store.max_blocks_ = budget_bytes / store.block_bytes();
  if (store.max_blocks_ < 2) {
    return Error{ErrorCode::kCapacity, "cold tier: a budget of " + std::to_string(budget_bytes) +
                                           " bytes holds less than two blocks of " +
                                           std::to_string(store.block_bytes()) + " bytes (32 tokens each)"};
  }
  if (!path.empty()) {
    KEDGE_ASSIGN(file, RegionFile::create("cold tier", path, store.block_bytes()));
    store.file_ = std::move(file);
  }
  return store;
}

void ColdStore::drop_block(uint64_t id, std::vector<int32_t>* lost) {
  const Block& block = blocks_.at(id);
  for (int i = 0; i < block.used; ++i) {
    const int32_t position = block.positions[static_cast<size_t>(i)];
    const auto found = where_.find(position);
    if (found == where_.end() || found->second.block != id) continue;
    if (lost != nullptr) lost->push_back(position);
    where_.erase(found);
  }
  std::erase(block.anchored ? anchored_ : plain_, id);
  if (last_read_.block == id) last_read_.block = UINT64_MAX;
  blocks_.erase(id);
}

void ColdStore::make_room(std::vector<int32_t>* lost) {
  while (blocks_.size() >= max_blocks_) drop_block(plain_.empty() ? anchored_.front() : plain_.front(), lost);
}

Result<ColdStore::Place> ColdStore::place(int32_t position, bool anchored, std::vector<int32_t>* lost) {
  auto& queue = anchored ? anchored_ : plain_;
  if (queue.empty() || blocks_.at(queue.back()).sealed != nullptr) {
    make_room(lost);
    const uint64_t id = next_block_++;
    Block& block = blocks_[id];
    block.anchored = anchored;
    block.bytes.resize(block_bytes());
    queue.push_back(id);
  }
  Block& block = blocks_.at(queue.back());
  const Place place{queue.back(), static_cast<uint8_t>(block.used), anchored};
  block.positions[static_cast<size_t>(block.used)] = position;
  ++block.used;
  ++block.live;
  where_[position] = place;
  return place;
}

Status ColdStore::seal(uint64_t id) {
  Block& block = blocks_.at(id);
  if (digests_) {
    const auto d = static_cast<size_t>(layout_.head_dim_k);
    auto digest = std::make_shared<std::vector<float>>(static_cast<size_t>(n_tables_) * 2 * d);
    float k[kMaxHeadDim];
    for (size_t t = 0; t < static_cast<size_t>(n_tables_); ++t) {
      float* least = digest->data() + t * 2 * d;
      for (int slot = 0; slot < kPageTokens; ++slot) {
        kv_load(layout_, block.bytes.data() + t * page_bytes(), slot, k, nullptr);
        for (size_t i = 0; i < d; ++i) {
          least[i] = slot == 0 ? k[i] : std::min(least[i], k[i]);
          least[d + i] = slot == 0 ? k[i] : std::max(least[d + i], k[i]);
        }
      }
    }
    block.digest = std::move(digest);
  }
  auto sealed = std::make_shared<Sealed>();
  sealed->sum = checksum(block.bytes.data(), block.bytes.size());
  if (file_ == nullptr) {
    sealed->bytes = std::move(block.bytes);
  } else {
    KEDGE_ASSIGN(region, file_->write(block.bytes.data()));
    sealed->file = file_;
    sealed->region = region;
    block.bytes = {};
  }
  block.sealed = std::move(sealed);
  return {};
}

Status ColdStore::put(int32_t position, bool anchored, const KvSequence& sequence,
                      std::span<const int32_t> slot_of_table, const KernelTable& kernels, std::vector<int32_t>* lost) {
  if (contains(position)) return {};
  KEDGE_ASSIGN(place, this->place(position, anchored, lost));
  Block& block = blocks_.at(place.block);
  const KvLayout& from = sequence.layout();
  float k[kMaxHeadDim];
  float v[kMaxHeadDim];
  for (int t = 0; t < n_tables_; ++t) {
    const int slot = slot_of_table[static_cast<size_t>(t)];
    const std::byte* page = sequence.table(t)[slot / kPageTokens];
    std::byte* to = block.bytes.data() + static_cast<size_t>(t) * page_bytes();
    const auto in_page = static_cast<uint8_t>(slot % kPageTokens);
    if (from.format == layout_.format) {
      kv_copy_slots(layout_, page, &in_page, to, place.slot, 1);
    } else {
      kv_load(from, page, in_page, k, v);
      kernels.kv_store(layout_, to, place.slot, k, v);
    }
  }
  if (block.used < kPageTokens) return {};
  Status sealed = seal(place.block);
  if (!sealed.ok()) {  // the block stays open without this token: nothing else is lost
    where_.erase(position);
    --block.used;
    --block.live;
  }
  return sealed;
}

Status ColdStore::verify(const Block& block, const std::byte* data) const {
  if (checksum(data, block_bytes()) == block.sealed->sum) return {};
  return Error{ErrorCode::kCorrupt, "cold tier: the checksum of the block with position " +
                                        std::to_string(block.positions[0]) + " is wrong"};
}

// The bytes of a block, in memory; those from a file until the next call.
Result<const std::byte*> ColdStore::block_data(uint64_t id) const {
  const Block& block = blocks_.at(id);
  if (block.sealed == nullptr) return static_cast<const std::byte*>(block.bytes.data());
  if (block.sealed->file == nullptr) {
    if (last_read_.block != id) KEDGE_TRY(verify(block, block.sealed->bytes.data()));
    last_read_.block = id;
    return static_cast<const std::byte*>(block.sealed->bytes.data());
  }
  if (last_read_.block != id || last_read_.bytes.empty()) {
    last_read_.bytes.resize(block_bytes());
    last_read_.block = UINT64_MAX;
    KEDGE_TRY(block.sealed->file->read(block.sealed->region, last_read_.bytes.data()));
    KEDGE_TRY(verify(block, last_read_.bytes.data()));
    last_read_.block = id;
  }
  return static_cast<const std::byte*>(last_read_.bytes.data());
}

Status ColdStore::get(int32_t position, KvSequence& sequence, std::span<const int32_t> slot_of_table,
                      const KernelTable& kernels) const {
  const Place& place = where_.at(position);
  KEDGE_ASSIGN(data, block_data(place.block));
  const KvLayout& to = sequence.layout();
  float k[kMaxHeadDim];
  float v[kMaxHeadDim];
  for (int t = 0; t < n_tables_; ++t) {
    const int slot = slot_of_table[static_cast<size_t>(t)];
    const std::byte* page = data + static_cast<size_t>(t) * page_bytes();
    std::byte* out = sequence.page_for_write(t, slot);
    if (to.format == layout_.format) {
      kv_copy_slots(layout_, page, &place.slot, out, slot % kPageTokens, 1);
    } else {
      kv_load(layout_, page, place.slot, k, v);
      kernels.kv_store(to, out, slot % kPageTokens, k, v);
    }
  }
  return {};
}

void ColdStore::drop(int32_t position) {
  const auto found = where_.find(position);
  if (found == where_.end()) return;
  const uint64_t id = found->second.block;
  where_.erase(found);
  Block& block = blocks_.at(id);
  if (--block.live == 0 && block.sealed != nullptr) drop_block(id, nullptr);
}

void ColdStore::drop_from(int32_t position) {
  for (const int32_t p : positions()) {
    if (p >= position) drop(p);
  }
}

std::vector<uint64_t> ColdStore::digested() const {
  std::vector<uint64_t> ids;
  for (const uint64_t id : blocks()) {
    if (blocks_.at(id).digest != nullptr) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

float ColdStore::bound(uint64_t block, int table, const float* q) const {
  const auto d = static_cast<size_t>(layout_.head_dim_k);
  const float* least = blocks_.at(block).digest->data() + static_cast<size_t>(table) * 2 * d;
  float sum = 0;
  for (size_t i = 0; i < d; ++i) sum += std::max(q[i] * least[i], q[i] * least[d + i]);
  return sum;
}

std::vector<int32_t> ColdStore::tokens_of(uint64_t id) const {
  std::vector<int32_t> tokens;
  const auto found_block = blocks_.find(id);
  if (found_block == blocks_.end()) return tokens;
  const Block& block = found_block->second;
  for (int i = 0; i < block.used; ++i) {
    const int32_t position = block.positions[static_cast<size_t>(i)];
    const auto found = where_.find(position);
    if (found != where_.end() && found->second.block == id) tokens.push_back(position);
  }
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}

size_t ColdStore::bytes() const { return blocks_.size() * block_bytes(); }

std::vector<int32_t> ColdStore::positions() const {
  std::vector<int32_t> all;
  all.reserve(where_.size());
  for (const auto& [position, place] : where_) all.push_back(position);
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<uint64_t> ColdStore::blocks() const {
  std::vector<uint64_t> ids(plain_.begin(), plain_.end());
  ids.insert(ids.end(), anchored_.begin(), anchored_.end());
  return ids;
}

Result<ColdStore::BlockView> ColdStore::view(uint64_t id) const {
  const Block& block = blocks_.at(id);
  KEDGE_ASSIGN(data, block_data(id));
  BlockView view{block.anchored, {}, {data, block_bytes()}};
  for (int i = 0; i < block.used; ++i) {
    const int32_t position = block.positions[static_cast<size_t>(i)];
    const auto found = where_.find(position);
    const bool live = found != where_.end() && found->second.block == id && found->second.slot == i;
    view.positions.push_back(live ? position : kDead);
  }
  return view;
}

Status ColdStore::restore(const BlockView& saved) {
  if (saved.data.size() != block_bytes() || saved.positions.size() > kPageTokens) {
    return Error{ErrorCode::kCorrupt, "cold tier: a block of " + std::to_string(saved.positions.size()) +
                                          " tokens and " + std::to_string(saved.data.size()) +
                                          " bytes; blocks are of " + std::to_string(kPageTokens) + " and " +
                                          std::to_string(block_bytes())};
  }
  const uint64_t id = next_block_++;
  Block& block = blocks_[id];
  block.anchored = saved.anchored;
  block.bytes.assign(saved.data.begin(), saved.data.end());
  (saved.anchored ? anchored_ : plain_).push_back(id);
  for (const int32_t position : saved.positions) {
    const auto slot = static_cast<uint8_t>(block.used);
    block.positions[slot] = position;
    ++block.used;
    if (position == kDead) continue;
    ++block.live;
    where_[position] = {id, slot, saved.anchored};
  }
  return block.used == kPageTokens ? seal(id) : Status();
}

}  // namespace kedge::memory
