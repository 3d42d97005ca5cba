// One sequence's view of the arena: a page table per (layer, kv-head). A slot is a place in a table, a position is a
// token's place in the text: after tokens were removed or brought back, slots are not in the order of positions, and
// every table may hold other tokens. The slots of a table have no holes. A page that another sequence shares is copied
// before it is written.
// Layers with a window have tables behind those (memory/kv_windows.h): no token is taken out of them nor put back,
// their slots are positions, and what is said of "tables" below does not mean them unless it says so. A sequence may
// also have a recurrent state; a step fills the next one. What is known by slot is held only where it says something:
// positions once a token is missing (one list for as long as the tables agree), scores once somebody counts them. One
// thread at a time, except that writing different tokens may run in parallel after reserve(), and what works on one
// table for different tables.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "kernels/base/parallel.h"
#include "kernels/base/result.h"
#include "memory/grid.h"
#include "memory/kv_arena.h"
#include "memory/kv_shape.h"
#include "memory/kv_windows.h"
#include "memory/sizes.h"
#include "memory/spill_file.h"

namespace kedge::memory {

class KvSequence {
 public:
  // For tables of at most `capacity` tokens each; steps are of at most `step_tokens`.
  KvSequence(std::shared_ptr<KvArena> arena, std::shared_ptr<const KvTables> tables, int capacity,
             int step_tokens = 512);
  // For `n_layers` x `n_kv_heads` tables that are all alike.
  KvSequence(std::shared_ptr<KvArena> arena, int n_layers, int n_kv_heads, int capacity);
  ~KvSequence();
  KvSequence(KvSequence&& other) noexcept;
  KvSequence& operator=(KvSequence&& other) noexcept;

  KvArena& arena() const { return *arena_; }
  const std::shared_ptr<KvArena>& shared_arena() const { return arena_; }
  const KvLayout& layout() const { return arena_->layout(); }
  int n_layers() const { return map_->n_layers(); }
  int n_tables() const { return static_cast<int>(tables_.size()); }
  int n_all_tables() const { return map_->n_all(); }  // with those of layers with a window, behind the others
  int table_of(int layer, int kv_head) const { return map_->table_of(layer, kv_head); }
  const KvLayout& layout_of(int table) const { return table < n_tables() ? layout() : arena_->window_layout(); }
  int capacity() const { return capacity_; }       // most tokens a table can hold
  int next_position() const { return position_; }  // of the next token
  int slots(int table) const { return table < n_tables() ? tables_[to_size(table)].slots : position_; }  // of any table
  int most_slots() const;         // of the fullest table; without tables, all tokens
  size_t pages() const;           // in all tables, with windows, and what pays for the state
  size_t slots_wasted() const;    // in pages of all tables
  size_t metadata_bytes() const;  // of page tables, positions and scores

  // By slot: where in the text the token stands. Valid until the next change.
  std::span<const int32_t> positions(int table) const;
  // By slot: what it was looked at, in units of the policy; zero before want_scores(). Valid until the next change.
  std::span<const uint32_t> scores(int table) const;
  // For adding to them, those of reserved slots too; after want_scores().
  std::span<uint32_t> scores_to_change(int table) { return {scores_.row(to_size(table)), scores_.columns()}; }
  // From now on there are scores; zero for all that is there and for tokens that come.
  void want_scores();
  bool has_scores() const { return scores_.rows() > 0; }
  void drop_scores() { scores_.clear(); }  // all of them are zero again
  // For a step that may be dropped: the scores as they are, and back to them when it was. No token came or went.
  void keep_scores();
  void undo_scores();

  // The recurrent state behind the last token, zeros before the first; in a step the next one, to be filled whole.
  const float* state() const { return state_ ? state_.data() : arena_->zero_state(); }
  float* next_state() { return next_state_.data(); }
  bool has_state() const { return arena_->state_floats() > 0; }

  // Pages the tables of `tokens` tokens take.
  static size_t pages_for(int n_layers, int n_kv_heads, int tokens) {
    return pages_of(tokens) * to_size(n_layers) * to_size(n_kv_heads);
  }
  // Pages that n more tokens take at most, with copies of what others share.
  size_t pages_needed(int n) const;
  // Of the last call that had to get pages: how many the arena was short of; 0 when it failed for another reason.
  size_t missing_pages() const { return missing_pages_; }
  void forget_missing_pages() { missing_pages_ = 0; }

  // Makes room for the next n tokens: behind the last slot of every table, in the windows, and a state for what comes
  // of them. Either all pages are there or nothing changed. Errors: kCapacity (a table or the arena is full).
  Status reserve(int n) { return reserve(n, true); }
  // The same for n tokens that come back: windows and state are no concern of theirs.
  Status reserve_back(int n) { return reserve(n, false); }
  void unreserve();  // pages without tokens go back
  // The page that holds `slot` of any table for writing; the slot must be reserved.
  std::byte* page_for_write(int table, int slot) {
    if (table < n_tables()) return pages_.row(to_size(table))[slot / kPageTokens];
    return windows_.page(to_size(table - n_tables()), to_size(slot / kPageTokens));
  }
  // Counts n reserved tokens as present; they get the next n positions. The next state is theirs.
  void commit(int n);
  // The page addresses of any table, in ascending order of slots; valid until the next change. Of layers with a window
  // nothing before what the next token sees.
  const std::byte* const* table(int table) const {
    return table < n_tables() ? pages_.row(to_size(table)) : windows_.table(to_size(table - n_tables()));
  }

  // Takes tokens out: victims[t] are slots of table t, ascending (empty: nothing). Pages without a victim stay as they
  // are; the survivors of the others and of the last page move together, in the order of their positions, and pages
  // that become free go back. `team` spreads the tables. Errors: kCapacity when pages another sequence shares would
  // have to be copied and the arena is full; nothing happened then.
  Status remove(std::span<const std::vector<int32_t>> victims, const ThreadTeam& team);
  // The same in two parts: when the first has succeeded, the second cannot fail. In between nothing else.
  class Removal;
  Result<Removal> prepare(std::span<const std::vector<int32_t>> victims);
  void remove(Removal removal, const ThreadTeam& team);

  // Puts tokens back behind the last slots, after reserve_back() and when their keys and values are written.
  void insert(std::span<const int32_t> positions);

  // Forgets the tokens from position n on, where they are; those removed before stay away. All or nothing, as remove().
  // Only where can_truncate(n): states do not go back, but to zeros, and windows as far as their pages are there.
  Status truncate(int n, const ThreadTeam& team);
  bool can_truncate(int n) const {
    return n >= position_ || n == 0 || (!has_state() && windows_.reaches_back(position_, n));
  }

  // A second sequence with the same tokens, sharing all pages: O(pages), no keys or values are copied. The tail page is
  // copied when either side writes into it.
  KvSequence fork() const;
  // An empty sequence takes the first n tokens of another one of its tables that has lost none, sharing their pages;
  // where other.can_truncate(n).
  void begin_with(const KvSequence& other, int n, bool with_scores);

  // What the sequence is now, for rollback(). Pages are shared only when the sequence would change what is in them, so
  // that a mark costs little and appending behind it copies nothing. It belongs to this sequence and its thread.
  class Mark;
  std::shared_ptr<const Mark> mark();
  bool has(const Mark& mark) const;  // is one of this sequence's
  void rollback(const Mark& mark);
  // What another sequence of its arena and tables is, sharing all pages. Marks stay.
  void become(const KvSequence& other);

  // All pages go to the file and back to the arena; slots, positions and scores stay. Nothing changes on errors: kIo.
  Status swap_out(SpillFile& file);
  // They come back with the same bytes. Errors: kCapacity (the arena), kIo, kCorrupt; it stays swapped out then.
  Status swap_in();
  bool swapped_out() const { return spilled_ != nullptr; }

  // For snapshots: table after table, an empty sequence takes this shape; then the next token gets this position.
  // Errors: kCapacity.
  Status restore(int table, std::span<const int32_t> positions, std::span<const uint32_t> scores);
  void end_restore(int position);
  // Then the pages of windows and the state, to be filled. Errors: kCapacity.
  Status restore_rest();
  const KvWindows& windows() const { return windows_; }
  float* state_to_fill() { return state_ ? state_.data() : nullptr; }

 private:
  struct Table {
    int32_t slots = 0;
    uint32_t pages = 0;
  };
  struct Rewrite;
  struct Spilled;
  Status reserve(int n, bool next);
  size_t states_needed(int n) const;
  void drop_pages_from(size_t table, size_t first);
  void drop_all_pages();
  bool shares_tail(size_t table) const;
  void grow_pages(size_t columns);
  void list_positions(size_t rows);
  void copy_state(const KvSequence& other);  // but for the pages
  void share_pages(const KvSequence& from);
  void hold_marks(const Mark* but = nullptr);
  Rewrite plan(int table, int slots, std::span<const int32_t> victims) const;
  Result<Removal> prepare(std::span<const std::vector<int32_t>> victims, std::vector<int32_t> slots);
  void move_bytes(size_t table, const Rewrite& r, std::span<const PageId> fresh);

  std::shared_ptr<KvArena> arena_;
  std::shared_ptr<const KvTables> map_;
  int capacity_;
  int step_tokens_;
  int position_ = 0;
  std::vector<Table> tables_;
  Grid<std::byte*> pages_;   // [table][page]
  Grid<int32_t> positions_;  // no row: slot and position are one; one: all tables agree; else [table][slot]
  Grid<uint32_t> scores_;    // [table][slot], or no row: all are zero
  std::vector<uint32_t> kept_scores_;
  KvWindows windows_;
  KvState state_;  // none: zeros
  KvState next_state_;
  std::vector<std::weak_ptr<Mark>> marks_;
  std::unique_ptr<Spilled> spilled_;
  size_t missing_pages_ = 0;
};

// What remove() does to one table.
struct KvSequence::Rewrite {
  std::vector<int32_t> slots;  // survivors of the pages concerned, by position: they move, in this order
  std::vector<int32_t> stay;   // pages of the table that are left alone
  std::vector<int32_t> pages;  // the pages concerned
  size_t fresh = 0;            // pages needed because too few of these are ours alone
  int slots_after() const { return static_cast<int>(stay.size()) * kPageTokens + static_cast<int>(slots.size()); }
};

// Tokens that are about to be taken out, and the pages for it.
class KvSequence::Removal {
 public:
  Removal(Removal&&) noexcept = default;
  Removal& operator=(Removal&&) = delete;
  ~Removal();

 private:
  friend class KvSequence;
  Removal() = default;
  std::shared_ptr<KvArena> arena_;
  std::unique_lock<std::mutex> copying_;  // while pages that are shared are being replaced
  std::vector<int32_t> slots_;            // by table: how many are looked at; those behind are gone already
  std::vector<bool> touched_;             // by table: it has victims
  std::vector<Rewrite> plans_;
  std::vector<size_t> first_;  // of its fresh pages, by table
  std::vector<PageId> fresh_;
  bool agree_ = false;  // the tables do, and still will
};

}  // namespace kedge::memory
