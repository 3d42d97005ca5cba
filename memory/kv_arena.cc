#include "memory/kv_arena.h"

#include <new>
#include <string>

namespace kedge {

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
  arena->references_.assign(n_pages, 0);
  arena->free_.resize(n_pages);
  for (size_t i = 0; i < n_pages; ++i) arena->free_[i] = static_cast<PageId>(n_pages - 1 - i);  // lowest page first
  return arena;
}

Result<PageId> KvArena::allocate() {
  if (free_.empty()) {
    return Error{ErrorCode::kCapacity, "KV arena: all " + std::to_string(pages_total()) + " pages are in use"};
  }
  const PageId page = free_.back();
  free_.pop_back();
  references_[page] = 1;
  return page;
}

void KvArena::release(PageId page) {
  if (--references_[page] == 0) free_.push_back(page);
}

}  // namespace kedge
