// Where demoted tokens wait: keys and values of all tables, in blocks of 32 tokens, in memory or in a file. Blocks
// carry a checksum that is verified before anything of them is used. The budget is fixed; when it is full the oldest
// block of plain text goes first, then the oldest one with anchors, and what was in it is reported as lost. A copy of
// the store shares the blocks that are full: for forks. One thread at a time; the file itself may be shared.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/base/result.h"
#include "kernels/kernel_table.h"
#include "memory/kv_sequence.h"
#include "memory/region_file.h"

namespace kedge::memory {

class ColdStore {
 public:
  // `path` empty: in memory. `layout` is that of the cold pages. Errors: kIo (the file cannot be made), kCapacity (the
  // budget is smaller than two blocks).
  // `digests`: full blocks keep the range of their keys in every dimension, for bound().
  static Result<ColdStore> create(const KvLayout& layout, int n_tables, size_t budget_bytes, const std::string& path,
                                  bool digests = false);

  // Copies a token that is in `slot` of every table of the sequence. Tokens that had to go for it are appended to
  // `lost`. Errors: kIo (disk full; the token is not kept).
  Status put(int32_t position, bool anchored, const KvSequence& sequence, std::span<const int32_t> slot_of_table,
             const KernelTable& kernels, std::vector<int32_t>* lost);
  bool contains(int32_t position) const { return where_.contains(position); }
  // Writes the token into `slot` of every table of the sequence, which is reserved there. Errors: kCorrupt (the
  // checksum), kIo.
  Status get(int32_t position, KvSequence& sequence, std::span<const int32_t> slot_of_table,
             const KernelTable& kernels) const;
  void drop(int32_t position);
  void drop_from(int32_t position);  // and all behind it

  // The blocks that have a digest, oldest first.
  std::vector<uint64_t> digested() const;
  // No key of the block in this table has a larger product with q, head_dim_k values (Quest, Tang et al. 2024, arXiv
  // 2406.10774).
  float bound(uint64_t block, int table, const float* q) const;
  // The tokens of a block that are still kept, ascending; none of a block that has gone.
  std::vector<int32_t> tokens_of(uint64_t block) const;

  size_t tokens() const { return where_.size(); }
  size_t bytes() const;  // of the blocks, in memory or in the file
  const KvLayout& layout() const { return layout_; }
  std::vector<int32_t> positions() const;  // ascending

  // For snapshots: blocks in an order in which restore() makes the same store of an empty one.
  static constexpr int32_t kDead = -1;  // the place of a token that is not kept any more
  struct BlockView {
    bool anchored;
    std::vector<int32_t> positions;   // by slot
    std::span<const std::byte> data;  // valid until the next call
  };
  std::vector<uint64_t> blocks() const;
  Result<BlockView> view(uint64_t block) const;
  Status restore(const BlockView& block);
  size_t block_bytes() const { return page_bytes() * static_cast<size_t>(n_tables_); }

 private:
  struct Sealed;
  struct Block {
    std::shared_ptr<const Sealed> sealed;              // null while it is open
    std::vector<std::byte> bytes;                      // of an open block
    std::shared_ptr<const std::vector<float>> digest;  // [table][least, largest][head_dim_k]
    std::array<int32_t, kPageTokens> positions;
    int used = 0;
    int live = 0;
    bool anchored = false;
  };
  struct Place {
    uint64_t block;
    uint8_t slot;
    bool anchored;
  };

  size_t page_bytes() const { return (layout_.page_bytes() + 63) / 64 * 64; }
  Result<Place> place(int32_t position, bool anchored, std::vector<int32_t>* lost);
  Status seal(uint64_t id);
  void make_room(std::vector<int32_t>* lost);
  void drop_block(uint64_t id, std::vector<int32_t>* lost);
  Result<const std::byte*> block_data(uint64_t id) const;
  Status verify(const Block& block, const std::byte* data) const;

  KvLayout layout_;
  int n_tables_ = 0;
  size_t max_blocks_ = 0;
  bool digests_ = false;
  std::shared_ptr<RegionFile> file_;  // null: in memory
  uint64_t next_block_ = 0;
  std::unordered_map<uint64_t, Block> blocks_;
  std::deque<uint64_t> plain_;  // oldest first; the last may be open
  std::deque<uint64_t> anchored_;
  std::unordered_map<int32_t, Place> where_;
  // The block read last; a copy of the store reads its own.
  struct LastRead {
    LastRead() = default;
    LastRead(const LastRead&) {}
    LastRead(LastRead&&) noexcept = default;
    LastRead& operator=(const LastRead&) { return *this = LastRead(); }
    LastRead& operator=(LastRead&&) noexcept = default;
    std::vector<std::byte> bytes;  // of a file
    uint64_t block = UINT64_MAX;
  };
  mutable LastRead last_read_;
};

}  // namespace kedge::memory
