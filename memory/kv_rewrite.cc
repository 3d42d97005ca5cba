// Tokens leave a sequence: which pages are rewritten, by what, and how the pages for it are found.
#include <algorithm>
#include <cstring>
#include <utility>

#include "memory/kv_sequence.h"

namespace kedge::memory {

KvSequence::Removal::~Removal() {
  if (arena_ == nullptr) return;
  for (const PageId id : fresh_) arena_->release(id);
}

KvSequence::Rewrite KvSequence::plan(int table, int slots, std::span<const int32_t> victims) const {
  Rewrite r;
  const auto position = positions(table);
  size_t at = 0;
  size_t own = 0;
  for (size_t p = 0; p < pages_of(slots); ++p) {
    const int end = std::min(static_cast<int>(p + 1) * kPageTokens, slots);
    const bool hit = at < victims.size() && victims[at] < end;
    const bool partial = end % kPageTokens != 0;
    if (!hit && !partial) {
      r.stay.push_back(static_cast<int32_t>(p));
      continue;
    }
    r.pages.push_back(static_cast<int32_t>(p));
    own += arena_->shared(arena_->page_at(pages_.row(to_size(table))[p])) ? 0 : 1;
    for (int slot = static_cast<int>(p) * kPageTokens; slot < end; ++slot) {
      if (at < victims.size() && victims[at] == slot) {
        ++at;
      } else {
        r.slots.push_back(slot);
      }
    }
  }
  std::sort(r.slots.begin(), r.slots.end(),
            [&](int32_t a, int32_t b) { return position[to_size(a)] < position[to_size(b)]; });
  const size_t needed = pages_of(static_cast<int>(r.slots.size()));
  r.fresh = needed > own ? needed - own : 0;
  return r;
}

Result<KvSequence::Removal> KvSequence::prepare(std::span<const std::vector<int32_t>> victims) {
  std::vector<int32_t> slots;
  for (const Table& t : tables_) slots.push_back(t.slots);
  return prepare(victims, std::move(slots));
}

Result<KvSequence::Removal> KvSequence::prepare(std::span<const std::vector<int32_t>> victims,
                                                std::vector<int32_t> slots) {
  missing_pages_ = 0;
  hold_marks();
  Removal removal;
  removal.arena_ = arena_;
  removal.copying_ = arena_->lock_copies();
  removal.slots_ = std::move(slots);
  removal.plans_.resize(tables_.size());
  removal.first_.resize(tables_.size());
  removal.agree_ = positions_.rows() < 2;
  size_t n_fresh = 0;
  for (size_t i = 0; i < tables_.size(); ++i) {
    removal.touched_.push_back(!victims[i].empty());
    if (removal.touched_[i]) {
      removal.plans_[i] = plan(static_cast<int>(i), removal.slots_[i], victims[i]);
    }
    removal.first_[i] = n_fresh;
    n_fresh += removal.plans_[i].fresh;
    removal.agree_ = removal.agree_ && removal.slots_[i] == removal.slots_[0] && victims[i] == victims[0];
  }
  if (n_fresh == 0) removal.copying_.unlock();
  KEDGE_TRY(arena_->allocate(n_fresh, &removal.fresh_, &missing_pages_));
  return removal;
}

// The survivors are gathered in pages aside and then take the place of the pages concerned: pages of the table that
// nobody shares, then fresh ones.
void KvSequence::move_bytes(size_t table, const Rewrite& r, std::span<const PageId> fresh) {
  const size_t page_bytes = arena_->page_bytes();
  const size_t needed = pages_of(static_cast<int>(r.slots.size()));
  std::byte** pages = pages_.row(table);
  std::vector<std::byte> aside = arena_->borrow(needed * page_bytes);
  for (size_t i = 0; i < r.slots.size();) {
    const int page = r.slots[i] / kPageTokens;
    uint8_t from[kPageTokens];
    const size_t to = i % kPageTokens;
    size_t n = 0;  // slots of one page that stay together
    while (i + n < r.slots.size() && to + n < kPageTokens && r.slots[i + n] / kPageTokens == page) {
      from[n] = static_cast<uint8_t>(r.slots[i + n] % kPageTokens);
      ++n;
    }
    kv_copy_slots(layout(), pages[page], from, aside.data() + i / kPageTokens * page_bytes, static_cast<int>(to),
                  static_cast<int>(n));
    i += n;
  }
  std::vector<std::byte*> refilled;
  for (const int32_t p : r.pages) {
    const PageId id = arena_->page_at(pages[p]);
    if (refilled.size() < needed && !arena_->shared(id)) {
      refilled.push_back(pages[p]);
    } else {
      arena_->release(id);
    }
  }
  size_t used = 0;
  while (refilled.size() < needed) refilled.push_back(arena_->data(fresh[used++]));
  for (; used < fresh.size(); ++used) arena_->release(fresh[used]);
  for (size_t i = 0; i < needed; ++i) std::memcpy(refilled[i], aside.data() + i * page_bytes, page_bytes);
  arena_->bring_back(std::move(aside));
  // Those that stay close up: each moves to its place or before it, behind the one before.
  size_t n_pages = 0;
  for (const int32_t p : r.stay) pages[n_pages++] = pages[p];
  for (std::byte* page : refilled) pages[n_pages++] = page;
  tables_[table].pages = static_cast<uint32_t>(n_pages);
}

namespace {

// What is known by slot, in the order of the slots to come.
template <class T>
void reorder(T* values, std::span<const int32_t> stay, std::span<const int32_t> moved) {
  std::vector<T> after;
  after.reserve(stay.size() * kPageTokens + moved.size());
  for (const int32_t p : stay) {
    const T* page = values + p * kPageTokens;
    after.insert(after.end(), page, page + kPageTokens);
  }
  for (const int32_t slot : moved) after.push_back(values[slot]);
  std::copy(after.begin(), after.end(), values);
}

}  // namespace

void KvSequence::remove(Removal removal, const ThreadTeam& team) {
  const auto& touched = removal.touched_;
  const bool any = std::find(touched.begin(), touched.end(), true) != touched.end();
  kept_scores_ = {};
  if (any) list_positions(removal.agree_ ? 1 : tables_.size());
  for (size_t r = 0; r < positions_.rows(); ++r) {
    if (touched[r]) reorder(positions_.row(r), removal.plans_[r].stay, removal.plans_[r].slots);
  }
  std::vector<PageId> fresh = std::exchange(removal.fresh_, {});
  team.each(tables_.size(), [&](size_t i, int) {
    const Rewrite& plan = removal.plans_[i];
    tables_[i].slots = removal.slots_[i];
    drop_pages_from(i, pages_of(tables_[i].slots));  // reserved, never filled; or of tokens at the end
    if (!touched[i]) return;
    move_bytes(i, plan, std::span(fresh).subspan(removal.first_[i], plan.fresh));
    if (has_scores()) reorder(scores_.row(i), plan.stay, plan.slots);
    tables_[i].slots = plan.slots_after();
  });
}

Status KvSequence::remove(std::span<const std::vector<int32_t>> victims, const ThreadTeam& team) {
  KEDGE_ASSIGN(removal, prepare(victims));
  remove(std::move(removal), team);
  return {};
}

Status KvSequence::truncate(int n, const ThreadTeam& team) {
  std::vector<std::vector<int32_t>> victims(tables_.size());
  std::vector<int32_t> slots(tables_.size());
  for (size_t i = 0; i < tables_.size(); ++i) {
    const auto position = positions(static_cast<int>(i));
    int32_t left = tables_[i].slots;  // tokens at the end of the table simply go
    while (left > 0 && position[to_size(left - 1)] >= n) --left;
    for (int32_t s = 0; s < left && positions_.rows() > 0; ++s) {
      if (position[to_size(s)] >= n) victims[i].push_back(s);
    }
    slots[i] = left;
  }
  KEDGE_ASSIGN(removal, prepare(victims, std::move(slots)));
  remove(std::move(removal), team);
  if (n < position_) windows_.go_back(n);
  if (n == 0) state_ = {};
  position_ = std::min(position_, n);
  if (position_ == 0) positions_.clear();
  return {};
}

}  // namespace kedge::memory
