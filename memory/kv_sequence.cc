#include "memory/kv_sequence.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "memory/kv_mark.h"

namespace kedge::memory {

KvSequence::KvSequence(std::shared_ptr<KvArena> arena, std::shared_ptr<const KvTables> tables, int capacity,
                       int step_tokens)
    : arena_(std::move(arena)),
      map_(std::move(tables)),
      capacity_(capacity),
      step_tokens_(step_tokens),
      tables_(to_size(map_->n_full())),
      windows_(arena_, map_) {
  pages_.reshape(tables_.size(), 0);
}

KvSequence::KvSequence(std::shared_ptr<KvArena> arena, int n_layers, int n_kv_heads, int capacity)
    : KvSequence(std::move(arena), std::make_shared<const KvTables>(KvShape{{}, n_layers, n_kv_heads}), capacity) {}

KvSequence::~KvSequence() { drop_all_pages(); }

KvSequence::KvSequence(KvSequence&& o) noexcept
    : arena_(o.arena_), map_(o.map_), capacity_(o.capacity_), step_tokens_(o.step_tokens_), windows_(o.arena_, o.map_) {
  *this = std::move(o);
}

KvSequence& KvSequence::operator=(KvSequence&& o) noexcept {
  if (this == &o) return *this;
  drop_all_pages();
  state_ = std::move(o.state_);
  next_state_ = std::move(o.next_state_);
  windows_ = std::move(o.windows_);
  arena_ = o.arena_;
  map_ = o.map_;
  capacity_ = o.capacity_;
  step_tokens_ = o.step_tokens_;
  position_ = std::exchange(o.position_, 0);
  tables_ = std::exchange(o.tables_, {});
  pages_ = std::exchange(o.pages_, {});
  positions_ = std::exchange(o.positions_, {});
  scores_ = std::exchange(o.scores_, {});
  kept_scores_ = std::exchange(o.kept_scores_, {});
  marks_ = std::exchange(o.marks_, {});
  spilled_ = std::move(o.spilled_);
  missing_pages_ = o.missing_pages_;
  return *this;
}

int KvSequence::most_slots() const {
  int most = tables_.empty() ? position_ : 0;
  for (const Table& t : tables_) most = std::max(most, static_cast<int>(t.slots));
  return most;
}

size_t KvSequence::pages() const {
  size_t n = windows_.pages() + ((state_ ? 1 : 0) + (next_state_ ? 1 : 0)) * arena_->state_pages();
  for (const Table& t : tables_) n += t.pages;
  return n;
}

size_t KvSequence::slots_wasted() const {
  size_t wasted = (pages_of(position_) * kPageTokens - to_size(position_)) * windows_.n_tables();
  for (const Table& t : tables_)
    wasted += t.pages * kPageTokens - to_size(std::min<int>(t.slots, static_cast<int>(t.pages) * kPageTokens));
  return wasted;
}

size_t KvSequence::metadata_bytes() const {
  return tables_.capacity() * sizeof(Table) + pages_.bytes() + positions_.bytes() + scores_.bytes() +
         kept_scores_.capacity() * sizeof(uint32_t) + windows_.metadata_bytes();
}

std::span<const int32_t> KvSequence::positions(int table) const {
  const size_t n = to_size(slots(table));
  if (positions_.rows() == 0) return {arena_->ascending(n), n};
  return {positions_.row(positions_.rows() == 1 ? 0 : to_size(table)), n};
}

std::span<const uint32_t> KvSequence::scores(int table) const {
  const size_t n = to_size(slots(table));
  return {has_scores() ? scores_.row(to_size(table)) : arena_->zeros(n), n};
}

void KvSequence::want_scores() {
  if (!has_scores()) scores_.reshape(tables_.size(), std::max(to_size(most_slots()), to_size(kPageTokens)));
}

void KvSequence::keep_scores() {
  kept_scores_.clear();
  for (size_t t = 0; t < tables_.size() && has_scores(); ++t) {
    kept_scores_.insert(kept_scores_.end(), scores_.row(t), scores_.row(t) + tables_[t].slots);
  }
}

void KvSequence::undo_scores() {
  auto from = kept_scores_.begin();
  for (size_t t = 0; t < tables_.size() && has_scores(); ++t) {
    std::copy_n(from, tables_[t].slots, scores_.row(t));
    from += tables_[t].slots;
  }
}

void KvSequence::drop_pages_from(size_t table, size_t first) {
  Table& t = tables_[table];
  for (size_t p = first; p < t.pages; ++p) arena_->release(arena_->page_at(pages_.row(table)[p]));
  t.pages = static_cast<uint32_t>(std::min(first, size_t{t.pages}));
}

void KvSequence::drop_all_pages() {
  for (size_t t = 0; t < tables_.size(); ++t) drop_pages_from(t, 0);
  windows_.drop();
}

void KvSequence::grow_pages(size_t columns) { pages_.grow(columns, pages_of(capacity_)); }

// The tail is copied before it is written when another sequence has it too. Nobody else can begin to share it.
bool KvSequence::shares_tail(size_t table) const {
  const Table& t = tables_[table];
  return t.slots % kPageTokens != 0 && t.pages >= pages_of(t.slots) &&
         arena_->shared(arena_->page_at(pages_.row(table)[pages_of(t.slots) - 1]));
}

size_t KvSequence::pages_needed(int n) const {
  size_t needed = 0;
  for (size_t i = 0; i < tables_.size(); ++i) {
    const Table& t = tables_[i];
    const bool leaves = n > capacity_ - t.slots;  // and may take others along that are shared
    size_t own = t.pages;
    if (!leaves && shares_tail(i)) --own;
    for (size_t p = 0; p < t.pages && leaves; ++p) own -= arena_->shared(arena_->page_at(pages_.row(i)[p])) ? 1 : 0;
    const size_t all = pages_of(leaves ? capacity_ : t.slots + n);
    needed += all - std::min(all, own);
  }
  return needed + windows_.needed(position_, n, step_tokens_) + states_needed(n) * arena_->state_pages();
}

// One for what a step begins with and one for what it makes; one that is away has to come back.
size_t KvSequence::states_needed(int n) const {
  if (n == 0) return spilled_ != nullptr && !spilled_->states.empty() ? 1 : 0;
  return 2 - (state_ && !state_.shared() ? 1 : 0) - (next_state_ ? 1 : 0);
}

Status KvSequence::reserve(int n, bool next) {
  missing_pages_ = 0;
  std::unique_lock<std::mutex> copying;
  size_t missing = 0;
  size_t columns = 0;
  for (size_t i = 0; i < tables_.size(); ++i) {
    const Table& t = tables_[i];
    if (n > capacity_ - t.slots) {
      return Error{ErrorCode::kCapacity, "context full: " + std::to_string(t.slots) + " tokens are in the cache, " +
                                             std::to_string(n) + " more do not fit into a context of " +
                                             std::to_string(capacity_)};
    }
    columns = std::max(columns, pages_of(t.slots + n));
    missing += pages_of(t.slots + n) - std::min(pages_of(t.slots + n), size_t{t.pages});
  }
  const auto count_shared = [&] {
    size_t shared = 0;
    for (size_t i = 0; i < tables_.size() && n > 0; ++i) shared += shares_tail(i) ? 1 : 0;
    return shared + (next && n > 0 ? windows_.shared_tails(position_) : 0);
  };
  if (next) missing += windows_.missing(position_, n);
  if (count_shared() > 0) {
    copying = arena_->lock_copies();
    missing += count_shared();
  }
  std::vector<PageId> fresh;
  grow_pages(columns);
  if (has_scores()) scores_.grow(to_size(most_slots() + n), to_size(capacity_));
  const bool state = next && has_state() && !next_state_;
  if (missing > 0 || state) {
    KEDGE_TRY(arena_->allocate(missing, &fresh, state ? &next_state_ : nullptr, &missing_pages_));
  }
  // Here and not in commit(): the rows of a step look at each other.
  if (has_scores()) {
    for (size_t i = 0; i < tables_.size(); ++i) std::fill_n(scores_.row(i) + tables_[i].slots, n, 0u);
  }
  for (size_t i = 0; i < tables_.size() && !fresh.empty(); ++i) {
    Table& t = tables_[i];
    // Between the count and here another owner may have let go of the tail; then a page goes back below.
    if (n > 0 && shares_tail(i)) {
      std::byte*& tail = pages_.row(i)[pages_of(t.slots) - 1];
      std::byte* copy = arena_->data(fresh.back());
      fresh.pop_back();
      std::memcpy(copy, tail, arena_->page_bytes());
      arena_->release(arena_->page_at(tail));
      tail = copy;
    }
    while (t.pages < pages_of(t.slots + n)) {
      pages_.row(i)[t.pages++] = arena_->data(fresh.back());
      fresh.pop_back();
    }
  }
  if (next) windows_.reserve(position_, n, &fresh);
  for (const PageId id : fresh) arena_->release(id);
  return {};
}

void KvSequence::unreserve() {
  windows_.unreserve(position_);
  next_state_ = {};
  for (size_t i = 0; i < tables_.size(); ++i) drop_pages_from(i, pages_of(tables_[i].slots));
}

void KvSequence::commit(int n) {
  if (positions_.rows() > 0) positions_.grow(to_size(most_slots() + n), to_size(capacity_));
  for (size_t r = 0; r < positions_.rows(); ++r) {
    for (int i = 0; i < n; ++i) positions_.row(r)[tables_[r].slots + i] = position_ + i;
  }
  for (Table& t : tables_) t.slots += n;
  position_ += n;
  if (next_state_) state_ = std::move(next_state_);
  windows_.release_behind(position_);
}

// So many lists of positions; there may have been none, or one.
void KvSequence::list_positions(size_t rows) {
  if (positions_.rows() >= rows) return;
  Grid<int32_t> lists;
  lists.reshape(rows, std::max(positions_.columns(), to_size(most_slots())));
  for (size_t r = 0; r < rows; ++r) {
    const auto from = positions(static_cast<int>(r));
    std::copy(from.begin(), from.end(), lists.row(r));
  }
  positions_ = std::move(lists);
}

void KvSequence::insert(std::span<const int32_t> inserted) {
  list_positions(1);
  positions_.grow(to_size(most_slots()) + inserted.size(), to_size(capacity_));
  for (size_t r = 0; r < positions_.rows(); ++r) {
    std::copy(inserted.begin(), inserted.end(), positions_.row(r) + tables_[r].slots);
  }
  for (Table& t : tables_) t.slots += static_cast<int32_t>(inserted.size());
}

void KvSequence::copy_state(const KvSequence& o) {
  position_ = o.position_;
  positions_ = o.positions_;
  scores_ = o.scores_;
  state_ = o.state_;
  for (size_t i = 0; i < tables_.size(); ++i) tables_[i].slots = o.tables_[i].slots;
}

// The pages of the tokens that are there; but for windows.
void KvSequence::share_pages(const KvSequence& from) {
  grow_pages(pages_of(most_slots()));
  for (size_t i = 0; i < tables_.size(); ++i) {
    Table& t = tables_[i];
    for (; t.pages < pages_of(t.slots); ++t.pages) {
      std::byte* page = const_cast<std::byte*>(from.pages_.row(i)[t.pages]);
      arena_->retain(arena_->page_at(page));
      pages_.row(i)[t.pages] = page;
    }
  }
}

KvSequence KvSequence::fork() const {
  KvSequence copy(arena_, map_, capacity_, step_tokens_);
  copy.copy_state(*this);
  copy.share_pages(*this);
  copy.windows_.share(windows_, position_);
  return copy;
}

void KvSequence::begin_with(const KvSequence& other, int n, bool with_scores) {
  position_ = n;
  if (with_scores) scores_ = other.scores_;
  for (Table& t : tables_) t.slots = n;
  share_pages(other);
  windows_.share(other.windows_, n);
  if (n == other.position_) state_ = other.state_;
}

Status KvSequence::restore(int table, std::span<const int32_t> positions, std::span<const uint32_t> scores) {
  if (positions.size() > to_size(capacity_)) {
    return Error{ErrorCode::kCapacity, "a table of " + std::to_string(positions.size()) +
                                           " tokens does not fit a capacity of " + std::to_string(capacity_)};
  }
  const size_t n_pages = pages_of(static_cast<int>(positions.size()));
  std::vector<PageId> fresh;
  grow_pages(n_pages);
  KEDGE_TRY(arena_->allocate(n_pages, &fresh, &missing_pages_));
  Table& t = tables_[to_size(table)];
  for (const PageId id : fresh) pages_.row(to_size(table))[t.pages++] = arena_->data(id);
  const size_t lists = positions_.rows();
  const bool as_first = table > 0 && lists < 2;
  const std::span<const int32_t> known =
      as_first ? this->positions(0) : std::span(arena_->ascending(positions.size()), positions.size());
  if ((!as_first && table > 0) || !std::equal(positions.begin(), positions.end(), known.begin(), known.end())) {
    list_positions(table == 0 ? 1 : tables_.size());
    positions_.grow(positions.size(), to_size(capacity_));
    std::copy(positions.begin(), positions.end(), positions_.row(to_size(table)));
  }
  t.slots = static_cast<int32_t>(positions.size());
  if (std::any_of(scores.begin(), scores.end(), [](uint32_t s) { return s != 0; })) {
    want_scores();
  }
  if (has_scores()) {
    scores_.grow(scores.size(), to_size(capacity_));
    std::copy(scores.begin(), scores.end(), scores_.row(to_size(table)));
  }
  return {};
}

// The first tokens of a text that had more are slots and positions alike, until the next one comes.
void KvSequence::end_restore(int position) {
  position_ = position;
  if (most_slots() != position) list_positions(1);
}

Status KvSequence::restore_rest() {
  const size_t n_pages = windows_.pages_at(position_);
  std::vector<PageId> fresh;
  const bool state = has_state() && position_ > 0;
  KEDGE_TRY(arena_->allocate(n_pages, &fresh, state ? &state_ : nullptr, &missing_pages_));
  windows_.take(position_, fresh.data());
  return {};
}

}  // namespace kedge::memory
