// The pool of KV pages that sequences share: fixed-size pages, reference counted. A page holds 32 tokens of one (layer,
// kv-head); what is inside a page is the kernels' business (kernels/kv_page.h). Recurrent states of sequences lie
// beside the pages, but are paid for in pages, so that one number says what there is and what is taken. Handing out,
// sharing and giving back pages is safe from any threads. A page with one reference belongs to its sequence; a page
// with more is not written by anybody.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/base/aligned.h"
#include "kernels/base/result.h"
#include "kernels/kv_page.h"
#include "memory/kv_shape.h"
#include "memory/kv_state.h"

namespace kedge::memory {

using PageId = uint32_t;

class KvArena {
 public:
  // Room for `n_pages` pages of `layout`. Address space is reserved now, memory is taken as pages are first written.
  // Errors: kCapacity.
  static Result<std::unique_ptr<KvArena>> create(const KvLayout& layout, size_t n_pages);
  // For sequences of this shape: pages are as large as the larger of its layouts.
  static Result<std::unique_ptr<KvArena>> create(const KvShape& shape, size_t n_pages);

  const KvLayout& layout() const { return layout_; }
  const KvLayout& window_layout() const { return window_layout_; }
  int64_t state_floats() const { return state_floats_; }
  size_t state_bytes() const { return state_stride_ * sizeof(float); }
  size_t state_pages() const { return state_pages_; }  // that one recurrent state is paid for with
  size_t page_bytes() const { return page_stride_; }
  size_t pages_total() const { return n_pages_; }
  size_t pages_in_use() const;

  // Asked when pages are missing: lets go of some pages and returns true, or has none to let go of. To be set before
  // the arena is shared; called from any thread that allocates, without a lock.
  void set_reclaim(std::function<bool()> reclaim) { reclaim_ = std::move(reclaim); }
  bool reclaims() const { return reclaim_ != nullptr; }

  // A page with one reference; its contents are unspecified. kCapacity when none is free.
  Result<PageId> allocate();
  // n of them, or none: appended to `pages`. Errors: kCapacity, naming both numbers; `missing` gets how many there are
  // too few, 0 when there are enough.
  Status allocate(size_t n, std::vector<PageId>* pages, size_t* missing = nullptr) {
    return allocate(n, pages, nullptr, missing);
  }
  // The same with a recurrent state, whose contents are unspecified; `state` null: without.
  Status allocate(size_t n, std::vector<PageId>* pages, KvState* state, size_t* missing);
  // Held while a sequence replaces pages it shares by copies. Two that let go of the same pages at the same time would
  // otherwise both copy them first, and need more pages than the sequences have room for one after the other.
  std::unique_lock<std::mutex> lock_copies() { return std::unique_lock(copies_); }
  void retain(PageId page) { references_[page].fetch_add(1, std::memory_order_relaxed); }
  void release(PageId page);
  // Acquire: once the others have let go of a page, what they read of it was read before it is written.
  bool shared(PageId page) const { return references_[page].load(std::memory_order_acquire) > 1; }

  std::byte* data(PageId page) { return bytes_.data() + static_cast<size_t>(page) * page_stride_; }
  PageId page_at(const std::byte* data) const {
    return static_cast<PageId>(static_cast<size_t>(data - bytes_.data()) / page_stride_);
  }

  float* state_data(uint32_t state) { return states_.data() + state * state_stride_; }
  const float* zero_state() const { return states_.data(); }  // of a sequence without tokens
  void retain_state(uint32_t state) { state_references_[state].fetch_add(1, std::memory_order_relaxed); }
  void release_state(uint32_t state);
  bool state_shared(uint32_t state) const { return state_references_[state].load(std::memory_order_acquire) > 1; }

  // 0, 1, 2, ... up to n at least: the positions of all tables that have lost nothing. Valid as long as the arena.
  const int32_t* ascending(size_t n);
  // So many zeros: the scores of all tables that nobody looks at.
  const uint32_t* zeros(size_t n);
  // Memory for one piece of work, kept for the next one. Its contents are unspecified.
  std::vector<std::byte> borrow(size_t bytes);
  void bring_back(std::vector<std::byte> borrowed);

 private:
  KvArena() = default;
  static Result<std::unique_ptr<KvArena>> make(size_t page_bytes, size_t n_pages);
  // All n and the state, or nothing; returns how many pages were free.
  size_t take(size_t n, PageId* pages, KvState* state);
  size_t n_free() const { return free_.size() + idle_states_.size() * state_pages_; }
  uint32_t take_state();
  void end_idle_state();
  void forget(std::byte* data, size_t bytes) const;

  KvLayout layout_;
  KvLayout window_layout_;
  size_t page_stride_ = 0;
  size_t n_pages_ = 0;
  AlignedBytes bytes_;
  std::unique_ptr<std::atomic<uint32_t>[]> references_;
  std::mutex copies_;
  int64_t state_floats_ = 0;
  size_t state_stride_ = 0;  // floats
  size_t state_pages_ = 0;
  AlignedArray<float> states_;  // the first is all zeros and nobody's
  std::unique_ptr<std::atomic<uint32_t>[]> state_references_;
  mutable std::mutex mutex_;             // of what follows
  std::deque<PageId> free_;              // last in, first out; in front those that were never used
  size_t n_used_ = 0;                    // pages that ever were: the lowest
  std::vector<uint32_t> idle_states_;    // paid for and nobody's
  std::vector<uint32_t> unpaid_states_;  // the others
  std::vector<PageId> paid_with_;        // [state][state_pages_]
  std::function<bool()> reclaim_;
  std::mutex shared_mutex_;                      // of the following
  std::vector<std::vector<int32_t>> ascending_;  // the last is the longest; somebody may read the others
  std::vector<std::vector<uint32_t>> zeros_;     // likewise
  std::vector<std::vector<std::byte>> borrowable_;
};

}  // namespace kedge::memory
