// The pool of KV pages of one session (or of several that share a prefix): fixed-size pages, reference counted. A page
// holds 32 tokens of one (layer, kv-head); what is inside a page is the kernels' business (kernels/kv_page.h).
// One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/base/aligned.h"
#include "kernels/base/result.h"
#include "kernels/kv_page.h"

namespace kedge {

using PageId = uint32_t;

class KvArena {
 public:
  // Room for `n_pages` pages of `layout`. Address space is reserved now, memory is taken as pages are first written.
  // Errors: kCapacity.
  static Result<std::unique_ptr<KvArena>> create(const KvLayout& layout, size_t n_pages);

  const KvLayout& layout() const { return layout_; }
  size_t page_bytes() const { return page_stride_; }
  size_t pages_total() const { return references_.size(); }
  size_t pages_in_use() const { return references_.size() - free_.size(); }

  // A page with one reference; its contents are unspecified. kCapacity when none is free.
  Result<PageId> allocate();
  void retain(PageId page) { ++references_[page]; }
  void release(PageId page);
  bool shared(PageId page) const { return references_[page] > 1; }

  std::byte* data(PageId page) { return bytes_.data() + static_cast<size_t>(page) * page_stride_; }

 private:
  KvArena() = default;
  KvLayout layout_;
  size_t page_stride_ = 0;
  AlignedBytes bytes_;
  std::vector<uint32_t> references_;
  std::vector<PageId> free_;  // last in, first out
};

}  // namespace kedge
