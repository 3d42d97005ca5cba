#include "memory/kv_sequence.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <utility>

namespace kedge::memory {

namespace {
size_t pages_of(int tokens) { return (static_cast<size_t>(tokens) + kPageTokens - 1) / kPageTokens; }
size_t to_size(int x) { return static_cast<size_t>(x); }
}  // namespace

KvSequence::KvSequence(std::shared_ptr<KvArena> arena, int n_layers, int n_kv_heads, int capacity)
    : arena_(std::move(arena)), n_layers_(n_layers), n_kv_heads_(n_kv_heads), capacity_(capacity) {
  size_tables(capacity);  // all it will ever need: nothing is allocated per token
}

void KvSequence::size_tables(int n) {
  tables_.resize(to_size(n_layers_) * to_size(n_kv_heads_));
  for (Table& t : tables_) {
    t.ids.reserve(pages_of(n));
    t.addresses.reserve(pages_of(n));
    t.positions.resize(to_size(n));
    t.scores.resize(to_size(n));
  }
}

KvSequence::~KvSequence() {
  for (Table& t : tables_) drop_pages_from(t, 0);
}

KvSequence::KvSequence(KvSequence&& o) noexcept
    : arena_(o.arena_),
      n_layers_(o.n_layers_),
      n_kv_heads_(o.n_kv_heads_),
      capacity_(o.capacity_),
      position_(std::exchange(o.position_, 0)),
      tables_(std::move(o.tables_)) {
  o.tables_.clear();
}

size_t KvSequence::pages_for(int n_layers, int n_kv_heads, int tokens) {
  return pages_of(tokens) * to_size(n_layers) * to_size(n_kv_heads);
}

int KvSequence::most_slots() const {
  int most = 0;
  for (const Table& t : tables_) most = std::max(most, t.slots);
  return most;
}

size_t KvSequence::pages() const {
  size_t n = 0;
  for (const Table& t : tables_) n += t.ids.size();
  return n;
}

std::span<const int32_t> KvSequence::positions(int table) const {
  const Table& t = tables_[to_size(table)];
  return {t.positions.data(), to_size(t.slots)};
}

std::span<uint32_t> KvSequence::scores(int table) { return tables_[to_size(table)].scores; }
std::span<const uint32_t> KvSequence::scores(int table) const { return tables_[to_size(table)].scores; }

void KvSequence::add_page(Table& t, PageId id) {
  t.ids.push_back(id);
  t.addresses.push_back(arena_->data(id));
}

void KvSequence::drop_pages_from(Table& t, size_t first) {
  for (size_t p = first; p < t.ids.size(); ++p) arena_->release(t.ids[p]);
  if (first >= t.ids.size()) return;
  t.ids.resize(first);
  t.addresses.resize(first);
}

size_t KvSequence::pages_needed(int n) const {
  size_t needed = 0;
  for (const Table& t : tables_) {
    const bool leaves = n > capacity_ - t.slots;
    const size_t all = pages_of(leaves ? capacity_ : t.slots + n);
    size_t own = t.ids.size();
    for (size_t p = 0; p < t.ids.size(); ++p) {
      const bool tail = t.slots % kPageTokens != 0 && p == pages_of(t.slots) - 1;
      if ((leaves || tail) && arena_->shared(t.ids[p])) --own;
    }
    needed += all - std::min(all, own);
  }
  return needed;
}

Status KvSequence::reserve(int n) {
  missing_pages_ = 0;
  // The tail is copied before it is written when another sequence has it too. Nobody else can begin to share it.
  const auto shares_tail = [&](const Table& t) {
    return n > 0 && t.slots % kPageTokens != 0 && arena_->shared(t.ids[pages_of(t.slots) - 1]);
  };
  std::unique_lock<std::mutex> copying;
  if (std::any_of(tables_.begin(), tables_.end(), shares_tail)) copying = arena_->lock_copies();
  size_t missing = 0;
  for (const Table& t : tables_) {
    if (n > capacity_ - t.slots) {
      return Error{ErrorCode::kCapacity, "context full: " + std::to_string(t.slots) + " tokens are in the cache, " +
                                             std::to_string(n) + " more do not fit into a context of " +
                                             std::to_string(capacity_)};
    }
    missing += pages_of(t.slots + n) - std::min(pages_of(t.slots + n), t.ids.size());
    missing += shares_tail(t) ? 1 : 0;
  }
  std::vector<PageId> fresh;
  if (missing > 0) KEDGE_TRY(arena_->allocate(missing, &fresh, &missing_pages_));
  // Here and not in commit(): the rows of a step look at each other.
  for (Table& t : tables_) std::fill_n(t.scores.begin() + t.slots, n, 0u);
  if (missing == 0) return {};
  for (Table& t : tables_) {
    const size_t tail = pages_of(t.slots) - 1;
    // Between the count and here another owner may have let go of the tail; then a page goes back below.
    if (shares_tail(t)) {
      const PageId copy = fresh.back();
      fresh.pop_back();
      std::memcpy(arena_->data(copy), arena_->data(t.ids[tail]), arena_->page_bytes());
      arena_->release(t.ids[tail]);
      t.ids[tail] = copy;
      t.addresses[tail] = arena_->data(copy);
    }
    while (t.ids.size() < pages_of(t.slots + n)) {
      add_page(t, fresh.back());
      fresh.pop_back();
    }
  }
  for (const PageId id : fresh) arena_->release(id);
  return {};
}

void KvSequence::commit(int n) {
  for (Table& t : tables_) {
    for (int i = 0; i < n; ++i) t.positions[to_size(t.slots + i)] = position_ + i;
    t.slots += n;
  }
  position_ += n;
}

void KvSequence::insert(int table, std::span<const int32_t> positions) {
  Table& t = tables_[to_size(table)];
  for (const int32_t p : positions) {
    t.positions[to_size(t.slots)] = p;
    t.scores[to_size(t.slots)] = 0;
    ++t.slots;
  }
}

// What remove() does to one table: the slots that move, in their new order, and the pages they move to.
struct KvSequence::Rewrite {
  std::vector<int32_t> slots;  // survivors of the pages concerned, by position
  std::vector<size_t> pages;   // places in the table of the pages concerned
  size_t fresh = 0;            // pages needed because too few of these are ours alone
};

KvSequence::Rewrite KvSequence::plan(const Table& t, std::span<const int32_t> victims) const {
  Rewrite r;
  if (victims.empty()) return r;
  const size_t n_pages = pages_of(t.slots);
  size_t at = 0;
  size_t own = 0;
  for (size_t p = 0; p < n_pages; ++p) {
    const int end = std::min(static_cast<int>(p + 1) * kPageTokens, t.slots);
    const bool hit = at < victims.size() && victims[at] < end;
    const bool partial = end % kPageTokens != 0;
    if (!hit && !partial) continue;
    r.pages.push_back(p);
    own += arena_->shared(t.ids[p]) ? 0 : 1;
    for (int slot = static_cast<int>(p) * kPageTokens; slot < end; ++slot) {
      if (at < victims.size() && victims[at] == slot) {
        ++at;
      } else {
        r.slots.push_back(slot);
      }
    }
  }
  std::sort(r.slots.begin(), r.slots.end(),
            [&](int32_t a, int32_t b) { return t.positions[to_size(a)] < t.positions[to_size(b)]; });
  const size_t needed = pages_of(static_cast<int>(r.slots.size()));
  r.fresh = needed > own ? needed - own : 0;
  return r;
}

// The survivors are gathered in pages aside and then take the place of the pages concerned: pages of the table that
// nobody shares, then fresh ones.
void KvSequence::move(Table& t, const Rewrite& r, std::span<const PageId> fresh, std::vector<std::byte>& aside) {
  const size_t needed = pages_of(static_cast<int>(r.slots.size()));
  if (aside.size() < needed * arena_->page_bytes()) aside.resize(needed * arena_->page_bytes());
  std::vector<int32_t> positions(r.slots.size());
  std::vector<uint32_t> scores(r.slots.size());
  for (size_t i = 0; i < r.slots.size();) {
    const auto page = to_size(r.slots[i] / kPageTokens);
    uint8_t from[kPageTokens];
    const size_t to = i % kPageTokens;
    size_t n = 0;  // slots of one page that stay together
    while (i + n < r.slots.size() && to + n < kPageTokens && to_size(r.slots[i + n] / kPageTokens) == page) {
      from[n] = static_cast<uint8_t>(r.slots[i + n] % kPageTokens);
      positions[i + n] = t.positions[to_size(r.slots[i + n])];
      scores[i + n] = t.scores[to_size(r.slots[i + n])];
      ++n;
    }
    kv_copy_slots(layout(), t.addresses[page], from, aside.data() + i / kPageTokens * arena_->page_bytes(),
                  static_cast<int>(to), static_cast<int>(n));
    i += n;
  }
  // The pages concerned leave the table; those we own alone come back filled anew.
  std::vector<PageId> own;
  std::vector<PageId> ids;
  std::vector<int32_t> all_positions;
  std::vector<uint32_t> all_scores;
  size_t next = 0;
  for (size_t p = 0; p < t.ids.size(); ++p) {
    if (next < r.pages.size() && r.pages[next] == p) {
      ++next;
      if (own.size() < needed && !arena_->shared(t.ids[p])) {
        own.push_back(t.ids[p]);
      } else {
        arena_->release(t.ids[p]);
      }
    } else if (p < pages_of(t.slots)) {
      ids.push_back(t.ids[p]);
      const auto begin = static_cast<std::ptrdiff_t>(p * kPageTokens);
      all_positions.insert(all_positions.end(), t.positions.begin() + begin, t.positions.begin() + begin + kPageTokens);
      all_scores.insert(all_scores.end(), t.scores.begin() + begin, t.scores.begin() + begin + kPageTokens);
    } else {
      arena_->release(t.ids[p]);  // reserved, never filled
    }
  }
  size_t used = 0;
  while (own.size() < needed) own.push_back(fresh[used++]);
  for (; used < fresh.size(); ++used) arena_->release(fresh[used]);
  for (size_t i = 0; i < needed; ++i) {
    std::memcpy(arena_->data(own[i]), aside.data() + i * arena_->page_bytes(), arena_->page_bytes());
    ids.push_back(own[i]);
  }
  all_positions.insert(all_positions.end(), positions.begin(), positions.end());
  all_scores.insert(all_scores.end(), scores.begin(), scores.end());
  t.slots = static_cast<int>(all_positions.size());
  std::copy(all_positions.begin(), all_positions.end(), t.positions.begin());
  std::copy(all_scores.begin(), all_scores.end(), t.scores.begin());
  t.ids.clear();
  t.addresses.clear();
  for (const PageId id : ids) add_page(t, id);
}

Status KvSequence::remove(std::span<const std::vector<int32_t>> victims, const ThreadTeam& team) {
  missing_pages_ = 0;
  std::vector<Rewrite> plans(tables_.size());
  std::vector<size_t> first(tables_.size());
  size_t n_fresh = 0;
  auto copying = arena_->lock_copies();
  for (size_t i = 0; i < tables_.size(); ++i) {
    plans[i] = plan(tables_[i], victims[i]);
    first[i] = n_fresh;
    n_fresh += plans[i].fresh;
  }
  if (n_fresh == 0) copying.unlock();
  std::vector<PageId> fresh;
  fresh.reserve(n_fresh);
  KEDGE_TRY(arena_->allocate(n_fresh, &fresh, &missing_pages_));
  aside_.resize(std::max(aside_.size(), to_size(team.size())));
  team.each(tables_.size(), [&](size_t i, int thread) {
    if (victims[i].empty()) return;
    move(tables_[i], plans[i], std::span(fresh).subspan(first[i], plans[i].fresh), aside_[to_size(thread)]);
  });
  return {};
}

Status KvSequence::truncate(int n, const ThreadTeam& team) {
  std::vector<std::vector<int32_t>> victims(tables_.size());
  std::vector<int> slots(tables_.size());
  for (size_t i = 0; i < tables_.size(); ++i) {
    Table& t = tables_[i];
    slots[i] = t.slots;  // tokens at the end of the table simply go
    while (t.slots > 0 && t.positions[to_size(t.slots - 1)] >= n) --t.slots;
    for (int s = 0; s < t.slots; ++s) {
      if (t.positions[to_size(s)] >= n) victims[i].push_back(s);
    }
  }
  Status removed = remove(victims, team);
  for (size_t i = 0; i < tables_.size(); ++i) {
    Table& t = tables_[i];
    if (!removed.ok()) {
      t.slots = slots[i];
    } else {
      drop_pages_from(t, pages_of(t.slots));
    }
  }
  if (removed.ok()) position_ = std::min(position_, n);
  return removed;
}

void KvSequence::keep_scores() {
  kept_scores_.clear();
  for (const Table& t : tables_) kept_scores_.insert(kept_scores_.end(), t.scores.begin(), t.scores.begin() + t.slots);
}

void KvSequence::undo_scores() {
  auto from = kept_scores_.begin();
  for (Table& t : tables_) {
    std::copy_n(from, t.slots, t.scores.begin());
    from += t.slots;
  }
}

void KvSequence::unreserve() {
  for (Table& t : tables_) drop_pages_from(t, pages_of(t.slots));
}

KvSequence KvSequence::fork() const {
  KvSequence copy(arena_, n_layers_, n_kv_heads_, capacity_);
  copy.begin_with(*this, position_);
  return copy;
}

KvSequence KvSequence::freeze() const {
  KvSequence copy(arena_, n_layers_, n_kv_heads_, 0);
  copy.capacity_ = capacity_;
  copy.size_tables(most_slots());
  copy.begin_with(*this, position_);
  return copy;
}

// A table without gaps has the first n tokens in its first n slots; of one with gaps only all tokens are asked for.
void KvSequence::begin_with(const KvSequence& other, int n) {
  position_ = n;
  for (size_t i = 0; i < tables_.size(); ++i) {
    const Table& from = other.tables_[i];
    Table& to = tables_[i];
    to.slots = std::min(from.slots, n);
    std::copy_n(from.positions.begin(), to.slots, to.positions.begin());
    std::copy_n(from.scores.begin(), to.slots, to.scores.begin());
    for (size_t p = 0; p < pages_of(to.slots); ++p) {
      arena_->retain(from.ids[p]);
      add_page(to, from.ids[p]);
    }
  }
}

Status KvSequence::restore(int table, std::span<const int32_t> positions, std::span<const uint32_t> scores) {
  Table& t = tables_[to_size(table)];
  if (positions.size() > to_size(capacity_)) {
    return Error{ErrorCode::kCapacity, "a table of " + std::to_string(positions.size()) +
                                           " tokens does not fit a capacity of " + std::to_string(capacity_)};
  }
  std::vector<PageId> fresh;
  KEDGE_TRY(arena_->allocate(pages_of(static_cast<int>(positions.size())), &fresh));
  for (const PageId id : fresh) add_page(t, id);
  t.slots = static_cast<int>(positions.size());
  std::copy(positions.begin(), positions.end(), t.positions.begin());
  std::copy(scores.begin(), scores.end(), t.scores.begin());
  return {};
}

}  // namespace kedge::memory
