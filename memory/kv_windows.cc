#include "memory/kv_windows.h"

#include <algorithm>
#include <cstring>

namespace kedge::memory {

KvWindows::KvWindows(std::shared_ptr<KvArena> arena, std::shared_ptr<const KvTables> tables)
    : arena_(std::move(arena)), tables_(std::move(tables)), begin_(tables_->windows().size()) {
  pages_.reshape(begin_.size(), 0);
}

KvWindows& KvWindows::operator=(KvWindows&& o) noexcept {
  if (this == &o) return *this;
  drop();
  arena_ = o.arena_;
  tables_ = o.tables_;
  pages_ = std::exchange(o.pages_, {});
  base_ = std::exchange(o.base_, 0);
  begin_ = std::exchange(o.begin_, {});
  end_ = std::exchange(o.end_, 0);
  return *this;
}

size_t KvWindows::pages() const {
  size_t n = 0;
  for (const uint32_t begin : begin_) n += end_ - begin;
  return n;
}

size_t KvWindows::missing(int position, int n) const {
  return (std::max(pages_of(position + n), end_) - end_) * begin_.size();
}

// The tail is copied before it is written when another sequence has it too.
size_t KvWindows::shared_tails(int position) const {
  if (position % kPageTokens == 0) return 0;
  size_t n = 0;
  for (size_t t = 0; t < begin_.size(); ++t) {
    n += arena_->shared(arena_->page_at(place(t, pages_of(position) - 1))) ? 1 : 0;
  }
  return n;
}

size_t KvWindows::needed(int position, int n, int step) const {
  size_t more = (pages_of(position + n) - pages_of(position)) * begin_.size();
  more += end_ > 0 ? shared_tails(position) : pages_at(position);
  size_t most = 0;
  size_t own = 0;
  for (const int32_t window : tables_->windows()) most += KvShape::window_pages(window, std::min(n, step));
  each_page([&](size_t, const std::byte* page) { own += arena_->shared(arena_->page_at(page)) ? 0 : 1; });
  return std::min(more, most - std::min(most, own));
}

// Up to this page. Places of what is gone are used again before there are more of them.
void KvWindows::make_places(size_t end) {
  if (begin_.empty()) return;
  const size_t begin = *std::min_element(begin_.begin(), begin_.end());
  if (end > base_ + pages_.columns()) {
    for (size_t t = 0; t < begin_.size() && begin > base_; ++t) {
      std::byte** row = pages_.row(t);
      std::copy(row + (begin - base_), row + (end_ - base_), row);
    }
    base_ = begin;
  }
  pages_.grow(end - base_, 2 * (end - base_));
}

void KvWindows::reserve(int position, int n, std::vector<PageId>* fresh) {
  const size_t end = std::max(pages_of(position + n), end_);
  make_places(end);
  const auto next = [&] {
    std::byte* page = arena_->data(fresh->back());
    fresh->pop_back();
    return page;
  };
  for (size_t t = 0; t < begin_.size(); ++t) {
    if (n > 0 && position % kPageTokens != 0) {
      std::byte*& tail = place(t, pages_of(position) - 1);
      if (arena_->shared(arena_->page_at(tail))) {
        std::byte* copy = next();
        std::memcpy(copy, tail, arena_->page_bytes());
        arena_->release(arena_->page_at(tail));
        tail = copy;
      }
    }
    for (size_t p = end_; p < end; ++p) place(t, p) = next();
  }
  end_ = end;
}

void KvWindows::release(size_t table, size_t page) {
  arena_->release(arena_->page_at(std::exchange(place(table, page), nullptr)));
}

void KvWindows::unreserve(int position) {
  const size_t end = std::min(pages_of(position), end_);
  for (size_t t = 0; t < begin_.size(); ++t) {
    for (size_t p = end; p < end_; ++p) release(t, p);
  }
  end_ = end;
}

void KvWindows::release_behind(int position) {
  for (size_t t = 0; t < begin_.size(); ++t) {
    for (; begin_[t] < std::min(first_page(t, position), end_); ++begin_[t]) release(t, begin_[t]);
  }
}

bool KvWindows::reaches_back(int from, int to) const {
  for (size_t t = 0; t < begin_.size(); ++t) {
    if (first_page(t, to) < first_page(t, from)) return false;
  }
  return true;
}

void KvWindows::begin_at(int position) {
  end_ = pages_of(position);
  for (size_t t = 0; t < begin_.size(); ++t) {
    begin_[t] = static_cast<uint32_t>(std::min(first_page(t, position), end_));
  }
  base_ = begin_.empty() ? 0 : *std::min_element(begin_.begin(), begin_.end());
  make_places(end_);
}

void KvWindows::share(const KvWindows& from, int position) {
  begin_at(position);
  for (size_t t = 0; t < begin_.size(); ++t) {
    for (size_t p = begin_[t]; p < end_; ++p) {
      std::byte* page = const_cast<std::byte*>(from.place(t, p));
      arena_->retain(arena_->page_at(page));
      place(t, p) = page;
    }
  }
}

void KvWindows::drop() {
  for (size_t t = 0; t < begin_.size(); ++t) {
    for (size_t p = begin_[t]; p < end_; ++p) release(t, p);
    begin_[t] = 0;
  }
  base_ = end_ = 0;
}

size_t KvWindows::pages_at(int position) const {
  size_t n = 0;
  for (size_t t = 0; t < begin_.size(); ++t)
    n += pages_of(position) - std::min(first_page(t, position), pages_of(position));
  return n;
}

void KvWindows::take(int position, const PageId* pages) {
  begin_at(position);
  for (size_t t = 0; t < begin_.size(); ++t) {
    for (size_t p = begin_[t]; p < end_; ++p) place(t, p) = arena_->data(*pages++);
  }
}

}  // namespace kedge::memory
