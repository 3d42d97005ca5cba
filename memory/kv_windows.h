// The page tables of layers that see only the latest tokens. A slot is a position. What no later row can see goes back
// to the arena, page by page, when tokens are committed, and nobody may look for it in the table. Which pages are held
// follows from the position of the next token alone; the table keeps no places for the others.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "memory/grid.h"
#include "memory/kv_arena.h"
#include "memory/kv_shape.h"

namespace kedge::memory {

class KvWindows {
 public:
  KvWindows(std::shared_ptr<KvArena> arena, std::shared_ptr<const KvTables> tables);
  ~KvWindows() { drop(); }
  KvWindows(KvWindows&& o) noexcept { *this = std::move(o); }
  KvWindows& operator=(KvWindows&& o) noexcept;

  size_t n_tables() const { return begin_.size(); }
  size_t pages() const;
  size_t metadata_bytes() const { return pages_.bytes() + begin_.capacity() * sizeof(uint32_t); }
  // By page, from where the window of the next token begins.
  const std::byte* const* table(size_t table) const {
    return reinterpret_cast<const std::byte* const*>(reinterpret_cast<uintptr_t>(pages_.row(table)) -
                                                     base_ * sizeof(std::byte*));
  }
  std::byte* page(size_t table, size_t page) { return place(table, page); }

  // With the next token at `position`:
  // pages that n more tokens need, without copies of those that are shared; tails that are.
  size_t missing(int position, int n) const;
  size_t shared_tails(int position) const;
  // Most pages that n more tokens take in steps of up to `step`; of one that has given all away, with getting them
  // back.
  size_t needed(int position, int n, int step) const;
  // From `fresh`, which has enough of them.
  void reserve(int position, int n, std::vector<PageId>* fresh);
  void unreserve(int position);
  void release_behind(int position);  // what no row from there on can see
  // Whether what the rows from `to` on see is there still when the next token is at `from`.
  bool reaches_back(int from, int to) const;
  void go_back(int position) { position == 0 ? drop() : unreserve(position); }
  // Those that rows from `position` on can see, of another one that has them; this one has none.
  void share(const KvWindows& from, int position);
  void drop();  // all

  // Every page held, in one order; for giving them away and getting them back.
  template <class F>
  void each_page(F&& f) const {
    for (size_t t = 0; t < begin_.size(); ++t) {
      for (size_t p = begin_[t]; p < end_; ++p) f(t, pages_.row(t)[p - base_]);
    }
  }
  size_t pages_at(int position) const;           // that are held there
  void take(int position, const PageId* pages);  // these, in that order; this one has none

 private:
  // The first page that a row at `position` sees.
  size_t first_page(size_t table, int position) const {
    return to_size(std::max(position - tables_->windows()[table] + 1, 0)) / kPageTokens;
  }
  std::byte*& place(size_t table, size_t page) { return pages_.row(table)[page - base_]; }
  const std::byte* place(size_t table, size_t page) const { return pages_.row(table)[page - base_]; }
  void release(size_t table, size_t page);
  void begin_at(int position);  // places for the pages held there
  void make_places(size_t end);

  std::shared_ptr<KvArena> arena_;
  std::shared_ptr<const KvTables> tables_;
  Grid<std::byte*> pages_;       // [table][page - base_]
  size_t base_ = 0;              // at most the least of begin_
  std::vector<uint32_t> begin_;  // by table: the first page held
  size_t end_ = 0;               // behind the last, of all tables
};

}  // namespace kedge::memory
