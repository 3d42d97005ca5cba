// Going back to what a sequence was, and giving its pages away for a while.
#include "memory/kv_mark.h"

#include <algorithm>
#include <string>

#include "memory/checksum.h"

namespace kedge::memory {

// Behind a mark the sequence only appends, in slots that are not the mark's; what does more calls this first.
void KvSequence::hold_marks(const Mark* but) {
  for (const auto& weak : marks_) {
    const auto mark = weak.lock();
    if (mark == nullptr || mark->held_ || mark.get() == but) continue;
    mark->state_.share_pages(*this);
    mark->held_ = true;
  }
}

std::shared_ptr<const KvSequence::Mark> KvSequence::mark() {
  std::erase_if(marks_, [](const auto& weak) { return weak.expired(); });
  KvSequence state(arena_, n_layers_, n_kv_heads_, capacity_);
  state.copy_state(*this);
  const auto made = std::make_shared<Mark>(std::move(state));
  marks_.push_back(made);
  return made;
}

bool KvSequence::has(const Mark& mark) const {
  return std::any_of(marks_.begin(), marks_.end(), [&](const auto& weak) { return weak.lock().get() == &mark; });
}

void KvSequence::rollback(const Mark& mark) {
  hold_marks(&mark);
  copy_state(mark.state_);
  if (!mark.held_) return unreserve();
  pages_.grow(mark.state_.pages_.columns(), pages_of(capacity_));
  drop_all_pages();
  share_pages(mark.state_);
}

Status KvSequence::swap_out(SpillFile& file) {
  auto spilled = std::make_unique<Spilled>();
  spilled->file = file.regions();
  spilled->pages.reserve(pages());
  for (size_t t = 0; t < tables_.size(); ++t) {
    for (size_t p = 0; p < pages_of(tables_[t].slots); ++p) {
      const std::byte* page = pages_.row(t)[p];
      KEDGE_ASSIGN(region, spilled->file->write(page));
      spilled->pages.push_back({region, checksum(page, arena_->page_bytes())});
    }
  }
  drop_all_pages();
  spilled_ = std::move(spilled);
  return {};
}

Status KvSequence::swap_in() {
  missing_pages_ = 0;
  if (spilled_ == nullptr) return {};
  std::vector<PageId> fresh;
  grow_pages(pages_of(most_slots()));
  KEDGE_TRY(arena_->allocate(spilled_->pages.size(), &fresh, &missing_pages_));
  Status status;
  for (size_t i = 0; i < fresh.size() && status.ok(); ++i) {
    const Spilled::Page& page = spilled_->pages[i];
    std::byte* to = arena_->data(fresh[i]);
    status = spilled_->file->read(page.region, to);
    if (status.ok() && checksum(to, arena_->page_bytes()) != page.sum) {
      status = Error{ErrorCode::kCorrupt, "KV spill file: the checksum of page " + std::to_string(i) + " of " +
                                              std::to_string(fresh.size()) + " is wrong"};
    }
  }
  if (!status.ok()) {
    for (const PageId id : fresh) arena_->release(id);
    return status;
  }
  auto next = fresh.begin();
  for (size_t t = 0; t < tables_.size(); ++t) {
    Table& table = tables_[t];
    for (; table.pages < pages_of(table.slots); ++table.pages) pages_.row(t)[table.pages] = arena_->data(*next++);
  }
  spilled_.reset();
  return {};
}

}  // namespace kedge::memory
