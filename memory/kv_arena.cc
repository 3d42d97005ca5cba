#include "memory/kv_arena.h"

#include <algorithm>
#include <new>
#include <numeric>
#include <string>

namespace kedge::memory {

Result<std::unique_ptr<KvArena>> KvArena::create(const KvLayout& layout, size_t n_pages) {
  constexpr size_t kCacheLine = 64;
  std::unique_ptr<KvArena> arena(new (std::nothrow) KvArena());
  if (arena == nullptr) return Error{ErrorCode::kCapacity, "KV arena: out of memory"};
  arena->layout_ = layout;
  arena->page_stride_ = (layout.page_bytes() + kCacheLine - 1) / kCacheLine * kCacheLine;
  if (n_pages >= UINT32_MAX || n_pages > SIZE_MAX / arena->page_stride_) {
    return Error{ErrorCode::kCapacity, "KV arena: " + std::to_string(n_pages) + " pages of " +
                                           std::to_string(arena->page_stride_) +
                                           " bytes are more than memory can address"};
  }
  KEDGE_ASSIGN(bytes, AlignedBytes::make(n_pages * arena->page_stride_, "KV arena"));
  arena->bytes_ = std::move(bytes);
  arena->n_pages_ = n_pages;
  arena->references_ = std::make_unique<std::atomic<uint32_t>[]>(n_pages);
  arena->free_.resize(n_pages);
  for (size_t i = 0; i < n_pages; ++i) arena->free_[i] = static_cast<PageId>(n_pages - 1 - i);  // lowest page first
  return arena;
}

size_t KvArena::pages_in_use() const {
  const std::lock_guard lock(mutex_);
  return n_pages_ - free_.size();
}

size_t KvArena::take(size_t n, PageId* pages) {
  const std::lock_guard lock(mutex_);
  const size_t n_free = free_.size();
  if (n_free < n) return n_free;
  for (size_t i = 0; i < n; ++i) {
    references_[free_.back()].store(1, std::memory_order_relaxed);
    pages[i] = free_.back();
    free_.pop_back();
  }
  return n_free;
}

Result<PageId> KvArena::allocate() {
  PageId page = 0;
  while (take(1, &page) < 1) {
    if (reclaim_ && reclaim_()) continue;
    return Error{ErrorCode::kCapacity, "KV arena: all " + std::to_string(n_pages_) + " pages are in use"};
  }
  return page;
}

Status KvArena::allocate(size_t n, std::vector<PageId>* pages, size_t* missing) {
  if (missing != nullptr) *missing = 0;
  const size_t first = pages->size();
  pages->resize(first + n);
  for (size_t n_free = 0; (n_free = take(n, pages->data() + first)) < n;) {
    if (reclaim_ && reclaim_()) continue;
    pages->resize(first);
    if (missing != nullptr) *missing = n - n_free;
    return Error{ErrorCode::kCapacity, "KV arena full: " + std::to_string(n) + " pages needed, " +
                                           std::to_string(n_free) + " of " + std::to_string(n_pages_) + " free"};
  }
  return {};
}

namespace {

// The last of the lists, or a new one, that has n numbers. The others stay for who reads them.
template <class T, class Fill>
const T* longest(std::vector<std::vector<T>>& lists, size_t n, Fill&& fill) {
  if (lists.empty() || lists.back().size() < n) {
    std::vector<T> longer(std::max(n, lists.empty() ? 0 : 2 * lists.back().size()));
    fill(longer);
    lists.push_back(std::move(longer));
  }
  return lists.back().data();
}

}  // namespace

const int32_t* KvArena::ascending(size_t n) {
  const std::lock_guard lock(shared_mutex_);
  return longest(ascending_, n, [](std::vector<int32_t>& list) { std::iota(list.begin(), list.end(), 0); });
}

const uint32_t* KvArena::zeros(size_t n) {
  const std::lock_guard lock(shared_mutex_);
  return longest(zeros_, n, [](std::vector<uint32_t>&) {});
}

std::vector<std::byte> KvArena::borrow(size_t bytes) {
  std::vector<std::byte> borrowed;
  {
    const std::lock_guard lock(shared_mutex_);
    if (!borrowable_.empty()) {
      borrowed = std::move(borrowable_.back());
      borrowable_.pop_back();
    }
  }
  if (borrowed.size() < bytes) borrowed.resize(bytes);
  return borrowed;
}

void KvArena::bring_back(std::vector<std::byte> borrowed) {
  const std::lock_guard lock(shared_mutex_);
  borrowable_.push_back(std::move(borrowed));
}

void KvArena::release(PageId page) {
  if (references_[page].fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::lock_guard lock(mutex_);
  free_.push_back(page);
}

}  // namespace kedge::memory
