#include "memory/kv_arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <numeric>
#include <string>

namespace kedge::memory {

Result<std::unique_ptr<KvArena>> KvArena::make(size_t page_bytes, size_t n_pages) {
  constexpr size_t kCacheLine = 64;
  std::unique_ptr<KvArena> arena(new (std::nothrow) KvArena());
  if (arena == nullptr) return Error{ErrorCode::kCapacity, "KV arena: out of memory"};
  arena->page_stride_ = (page_bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
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

Result<std::unique_ptr<KvArena>> KvArena::create(const KvLayout& layout, size_t n_pages) {
  KEDGE_ASSIGN(arena, make(layout.page_bytes(), n_pages));
  arena->layout_ = layout;
  return arena;
}

Result<std::unique_ptr<KvArena>> KvArena::create(const KvShape& shape, size_t n_pages) {
  KEDGE_ASSIGN(arena, make(shape.page_bytes(), n_pages));
  arena->layout_ = shape.layout;
  arena->window_layout_ = shape.window_layout;
  if (shape.state_floats == 0) return arena;
  arena->state_floats_ = shape.state_floats;
  arena->state_stride_ = shape.state_bytes() / sizeof(float);
  arena->state_pages_ = shape.state_pages();
  const size_t n_states = n_pages / arena->state_pages_;
  KEDGE_ASSIGN(states, AlignedArray<float>::make((n_states + 1) * arena->state_stride_, "recurrent states"));
  arena->states_ = std::move(states);
  arena->state_references_ = std::make_unique<std::atomic<uint32_t>[]>(n_states + 1);
  arena->paid_with_.resize((n_states + 1) * arena->state_pages_);
  for (size_t i = n_states; i > 0; --i) arena->unpaid_states_.push_back(static_cast<uint32_t>(i));
  return arena;
}

size_t KvArena::pages_in_use() const {
  const std::lock_guard lock(mutex_);
  return n_pages_ - n_free();
}

size_t KvArena::take(size_t n, PageId* pages, KvState* state) {
  const std::lock_guard lock(mutex_);
  const size_t all_free = n_free();
  if (all_free < n + (state != nullptr ? state_pages_ : 0)) return all_free;
  if (state != nullptr) *state = KvState(*this, take_state());
  while (free_.size() < n) end_idle_state();
  for (size_t i = 0; i < n; ++i) {
    references_[free_.back()].store(1, std::memory_order_relaxed);
    pages[i] = free_.back();
    n_used_ = std::max(n_used_, size_t{pages[i]} + 1);
    free_.pop_back();
  }
  return all_free;
}

// There are pages enough. Those it is paid with give their memory back, so that together no more is taken than all
// pages have.
uint32_t KvArena::take_state() {
  if (idle_states_.empty()) {
    const uint32_t state = unpaid_states_.back();
    unpaid_states_.pop_back();
    for (size_t i = 0; i < state_pages_; ++i) {
      const PageId page = free_.front();
      free_.pop_front();
      paid_with_[state * state_pages_ + i] = page;
      if (page < n_used_) forget(data(page), page_stride_);
    }
    idle_states_.push_back(state);
  }
  const uint32_t state = idle_states_.back();
  idle_states_.pop_back();
  state_references_[state].store(1, std::memory_order_relaxed);
  return state;
}

void KvArena::end_idle_state() {
  const uint32_t state = idle_states_.back();
  idle_states_.pop_back();
  unpaid_states_.push_back(state);
  forget(reinterpret_cast<std::byte*>(state_data(state)), state_stride_ * sizeof(float));
  for (size_t i = 0; i < state_pages_; ++i) free_.push_front(paid_with_[state * state_pages_ + i]);
}

// The memory of whole pages of the system within goes back to it; it comes again, as zeros, when it is touched.
void KvArena::forget(std::byte* data, size_t bytes) const {
  static const auto kUnit = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(data) + kUnit - 1) / kUnit * kUnit;
  const auto end = (reinterpret_cast<uintptr_t>(data) + bytes) / kUnit * kUnit;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Result<PageId> KvArena::allocate() {
  PageId page = 0;
  while (take(1, &page, nullptr) < 1) {
    if (reclaim_ && reclaim_()) continue;
    return Error{ErrorCode::kCapacity, "KV arena: all " + std::to_string(n_pages_) + " pages are in use"};
  }
  return page;
}

Status KvArena::allocate(size_t n, std::vector<PageId>* pages, KvState* state, size_t* missing) {
  if (missing != nullptr) *missing = 0;
  const size_t first = pages->size();
  const size_t wanted = n + (state != nullptr ? state_pages_ : 0);
  pages->resize(first + n);
  for (size_t n_free = 0; (n_free = take(n, pages->data() + first, state)) < wanted;) {
    if (reclaim_ && reclaim_()) continue;
    pages->resize(first);
    if (missing != nullptr) *missing = wanted - n_free;
    return Error{ErrorCode::kCapacity, "KV arena full: " + std::to_string(wanted) + " pages needed, " +
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

void KvArena::release_state(uint32_t state) {
  if (state_references_[state].fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::lock_guard lock(mutex_);
  idle_states_.push_back(state);
}

KvState::KvState(const KvState& o) : arena_(o.arena_), block_(o.block_) {
  if (arena_ != nullptr) arena_->retain_state(block_);
}

KvState::~KvState() {
  if (arena_ != nullptr) arena_->release_state(block_);
}

float* KvState::data() const { return arena_->state_data(block_); }
bool KvState::shared() const { return arena_->state_shared(block_); }

}  // namespace kedge::memory
