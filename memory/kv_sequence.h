// One sequence's view of the arena: a page table per (layer, kv-head). Slots are filled in order; a page that another
// sequence shares is copied before it is written. One thread at a time, except that write() of different tokens may run
// in parallel after reserve().
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/base/result.h"
#include "memory/kv_arena.h"

namespace kedge {

class KvSequence {
 public:
  // For `n_layers` x `n_kv_heads` tables of at most `capacity` tokens each. The arena must outlive the sequence.
  KvSequence(KvArena& arena, int n_layers, int n_kv_heads, int capacity);
  ~KvSequence();
  KvSequence(KvSequence&& other) noexcept;
  KvSequence& operator=(KvSequence&&) = delete;

  const KvLayout& layout() const { return arena_->layout(); }
  int length() const { return length_; }      // tokens committed
  int capacity() const { return capacity_; }  // most tokens it can hold

  // Pages the tables of `tokens` tokens take.
  static size_t pages_for(int n_layers, int n_kv_heads, int tokens);

  // Makes room for n tokens behind length(): slots [length, length + n) can be written afterwards. Either all pages are
  // there or nothing changed. Errors: kCapacity (context or arena full).
  Status reserve(int n);
  // The page that holds `slot` for writing, and the slot's place in it. The slot must be reserved.
  std::byte* page_for_write(int layer, int kv_head, int slot) {
    return const_cast<std::byte*>(table(layer, kv_head)[slot / kPageTokens]);
  }
  // Counts n reserved tokens as present.
  void commit(int n) { length_ += n; }
  // Forgets the tokens from `length` on; 0 <= length <= length().
  void truncate(int length);

  // The page addresses of one (layer, kv-head), in ascending order of slots; valid until the next reserve or truncate.
  const std::byte* const* table(int layer, int kv_head) const {
    return addresses_.data() + table_start(layer, kv_head);
  }

  // A second sequence with the same tokens, sharing all pages: O(pages), no copying. The tail page is copied when
  // either side writes into it.
  KvSequence fork() const;

 private:
  size_t table_start(int layer, int kv_head) const {
    return (static_cast<size_t>(layer) * static_cast<size_t>(n_kv_heads_) + static_cast<size_t>(kv_head)) *
           table_pages_;
  }
  size_t n_tables() const { return static_cast<size_t>(n_layers_) * static_cast<size_t>(n_kv_heads_); }
  void drop_pages_from(size_t first);
  Status unshare_tail();

  KvArena* arena_;
  int n_layers_;
  int n_kv_heads_;
  int capacity_;
  size_t table_pages_;  // entries per table
  size_t pages_ = 0;    // entries in use, the same for all tables
  int length_ = 0;
  std::vector<PageId> ids_;  // [n_layers][n_kv_heads][table_pages_]
  std::vector<const std::byte*> addresses_;
};

}  // namespace kedge
