// One sequence's view of the arena: a page table per (layer, kv-head). A slot is a place in a table, a position is a
// token's place in the text: after tokens were removed or brought back, slots are not in the order of positions, and
// every table may hold other tokens. The slots of a table have no holes. A page that another sequence shares is copied
// before it is written.
// One thread at a time, except that writing different tokens may run in parallel after reserve(), and what works on one
// table for different tables.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "kernels/base/parallel.h"
#include "kernels/base/result.h"
#include "memory/kv_arena.h"

namespace kedge::memory {

class KvSequence {
 public:
  // For `n_layers` x `n_kv_heads` tables of at most `capacity` tokens each.
  KvSequence(std::shared_ptr<KvArena> arena, int n_layers, int n_kv_heads, int capacity);
  ~KvSequence();
  KvSequence(KvSequence&& other) noexcept;
  KvSequence& operator=(KvSequence&&) = delete;

  KvArena& arena() const { return *arena_; }
  const KvLayout& layout() const { return arena_->layout(); }
  int n_layers() const { return n_layers_; }
  int n_tables() const { return static_cast<int>(tables_.size()); }
  int table_of(int layer, int kv_head) const { return layer * n_kv_heads_ + kv_head; }
  int capacity() const { return capacity_; }       // most tokens a table can hold
  int next_position() const { return position_; }  // of the next token
  int slots(int table) const { return tables_[static_cast<size_t>(table)].slots; }
  int most_slots() const;  // of the fullest table
  size_t pages() const;    // in all tables
  // By slot: where in the text the token stands.
  std::span<const int32_t> positions(int table) const;
  // By slot: what it was looked at, in units of the policy; zero for tokens just reserved.
  std::span<uint32_t> scores(int table);
  std::span<const uint32_t> scores(int table) const;
  // For a step that may be cancelled: the scores as they are, and back to them when it was. No token came or went.
  void keep_scores();
  void undo_scores();
  // Pages without tokens go back.
  void unreserve();
  // Of the reserve(), remove() or truncate() that failed last: how many pages the arena was short of, 0 when that was
  // not the reason.
  size_t missing_pages() const { return missing_pages_; }
  void forget_missing_pages() { missing_pages_ = 0; }

  // Pages that n more tokens take at most, those that others share counted as copies when something may have to leave.
  size_t pages_needed(int n) const;
  // Pages the tables of `tokens` tokens take.
  static size_t pages_for(int n_layers, int n_kv_heads, int tokens);

  // Makes room for n tokens behind the last slot of every table. Either all pages are there or nothing changed.
  // Errors: kCapacity (a table or the arena is full).
  Status reserve(int n);
  // The page that holds `slot` for writing; the slot must be reserved.
  std::byte* page_for_write(int table, int slot) {
    const Table& t = tables_[static_cast<size_t>(table)];
    return const_cast<std::byte*>(t.addresses[static_cast<size_t>(slot / kPageTokens)]);
  }
  // Counts n reserved tokens as present; they get the next n positions.
  void commit(int n);
  // The page addresses of a table, in ascending order of slots; valid until the next change.
  const std::byte* const* table(int table) const { return tables_[static_cast<size_t>(table)].addresses.data(); }

  // Takes tokens out: victims[t] are slots of table t, ascending (empty: nothing). Pages without a victim stay as they
  // are; the survivors of the others and of the last page move together, in the order of their positions, and pages
  // that become free go back. Either all of it happens or, when pages another sequence shares would have to be copied
  // and the arena is full, nothing (kCapacity). `team` spreads the tables.
  Status remove(std::span<const std::vector<int32_t>> victims, const ThreadTeam& team);

  // Puts tokens back behind the last slot of one table, after reserve(): `fill` writes n tokens beginning at a slot.
  void insert(int table, std::span<const int32_t> positions);

  // Forgets the tokens from position n on, where they are; those removed before stay away. All or nothing, as remove().
  Status truncate(int n, const ThreadTeam& team);

  // A second sequence with the same tokens, sharing all pages: O(pages), no keys or values are copied. The tail page is
  // copied when either side writes into it.
  KvSequence fork() const;
  // The same for keeping: it can be forked and begun with, nothing else, and its positions and scores take no more room
  // than its tokens.
  KvSequence freeze() const;
  // An empty sequence takes the first n tokens of another one of its shape that has lost none, sharing their pages.
  void begin_with(const KvSequence& other, int n);

  // For snapshots: an empty sequence takes this shape. Errors: kCapacity.
  Status restore(int table, std::span<const int32_t> positions, std::span<const uint32_t> scores);
  void set_next_position(int position) { position_ = position; }

 private:
  struct Table {
    int slots = 0;
    std::vector<PageId> ids;
    std::vector<const std::byte*> addresses;
    std::vector<int32_t> positions;
    std::vector<uint32_t> scores;
  };
  struct Rewrite;
  void size_tables(int n);
  void add_page(Table& t, PageId id);
  void drop_pages_from(Table& t, size_t first);
  Rewrite plan(const Table& t, std::span<const int32_t> victims) const;
  void move(Table& t, const Rewrite& r, std::span<const PageId> fresh, std::vector<std::byte>& aside);

  std::shared_ptr<KvArena> arena_;
  int n_layers_;
  int n_kv_heads_;
  int capacity_;
  int position_ = 0;
  std::vector<Table> tables_;
  std::vector<std::vector<std::byte>> aside_;  // per thread: where survivors wait while pages are refilled
  std::vector<uint32_t> kept_scores_;
  size_t missing_pages_ = 0;
};

}  // namespace kedge::memory
