#include "memory/kv_sequence.h"

#include <cstring>
#include <string>
#include <utility>

namespace kedge {

namespace {
size_t pages_of(int tokens) { return (static_cast<size_t>(tokens) + kPageTokens - 1) / kPageTokens; }
}  // namespace

KvSequence::KvSequence(KvArena& arena, int n_layers, int n_kv_heads, int capacity)
    : arena_(&arena),
      n_layers_(n_layers),
      n_kv_heads_(n_kv_heads),
      capacity_(capacity),
      table_pages_(pages_of(capacity)),
      ids_(n_tables() * table_pages_),
      addresses_(n_tables() * table_pages_) {}

KvSequence::~KvSequence() { drop_pages_from(0); }

KvSequence::KvSequence(KvSequence&& o) noexcept
    : arena_(o.arena_),
      n_layers_(o.n_layers_),
      n_kv_heads_(o.n_kv_heads_),
      capacity_(o.capacity_),
      table_pages_(o.table_pages_),
      pages_(std::exchange(o.pages_, 0)),
      length_(std::exchange(o.length_, 0)),
      ids_(std::move(o.ids_)),
      addresses_(std::move(o.addresses_)) {}

size_t KvSequence::pages_for(int n_layers, int n_kv_heads, int tokens) {
  return pages_of(tokens) * static_cast<size_t>(n_layers) * static_cast<size_t>(n_kv_heads);
}

void KvSequence::drop_pages_from(size_t first) {
  for (size_t t = 0; t < n_tables(); ++t) {
    for (size_t p = first; p < pages_; ++p) arena_->release(ids_[t * table_pages_ + p]);
  }
  pages_ = first < pages_ ? first : pages_;
}

Status KvSequence::unshare_tail() {
  if (length_ % kPageTokens == 0) return {};
  const size_t tail = static_cast<size_t>(length_ / kPageTokens);
  for (size_t t = 0; t < n_tables(); ++t) {
    PageId& id = ids_[t * table_pages_ + tail];
    if (!arena_->shared(id)) continue;
    KEDGE_ASSIGN(copy, arena_->allocate());
    std::memcpy(arena_->data(copy), arena_->data(id), arena_->page_bytes());
    arena_->release(id);
    id = copy;
    addresses_[t * table_pages_ + tail] = arena_->data(copy);
  }
  return {};
}

Status KvSequence::reserve(int n) {
  if (n > capacity_ - length_) {
    return Error{ErrorCode::kCapacity, "context full: " + std::to_string(length_) + " tokens are in the cache, " +
                                           std::to_string(n) + " more do not fit into a context of " +
                                           std::to_string(capacity_)};
  }
  const size_t want = pages_of(length_ + n);
  const size_t missing = want > pages_ ? (want - pages_) * n_tables() : 0;
  const size_t free_pages = arena_->pages_total() - arena_->pages_in_use();
  if (missing > free_pages) {
    return Error{ErrorCode::kCapacity, "KV arena full: " + std::to_string(missing) + " pages needed, " +
                                           std::to_string(free_pages) + " of " + std::to_string(arena_->pages_total()) +
                                           " free"};
  }
  KEDGE_TRY(unshare_tail());
  for (; pages_ < want; ++pages_) {
    for (size_t t = 0; t < n_tables(); ++t) {
      auto id = arena_->allocate();
      if (!id.ok()) {  // the tail's copies took the last pages: give this column back
        for (size_t done = 0; done < t; ++done) arena_->release(ids_[done * table_pages_ + pages_]);
        return std::move(id).error();
      }
      ids_[t * table_pages_ + pages_] = *id;
      addresses_[t * table_pages_ + pages_] = arena_->data(*id);
    }
  }
  return {};
}

void KvSequence::truncate(int length) {
  length_ = length;
  drop_pages_from(pages_of(length));
}

KvSequence KvSequence::fork() const {
  KvSequence copy(*arena_, n_layers_, n_kv_heads_, capacity_);
  copy.ids_ = ids_;
  copy.addresses_ = addresses_;
  copy.length_ = length_;
  copy.pages_ = pages_of(length_);
  for (size_t t = 0; t < n_tables(); ++t) {
    for (size_t p = 0; p < copy.pages_; ++p) arena_->retain(ids_[t * table_pages_ + p]);
  }
  return copy;
}

}  // namespace kedge
